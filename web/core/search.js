// Searching as people type it: each word must be found somewhere, in any order.

// Gives `fits(...texts)` for what was typed.
export function finder(typed) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return (...texts) => {
    const all = texts.join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  };
}
