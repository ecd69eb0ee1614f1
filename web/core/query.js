// Filters in the address: what a page shows can be sent to somebody else, and comes back with the
// back button. A filter at its default is not in the address.

// Reads a query by its defaults: a list where the default is a list, text otherwise.
export function readQuery(defaults, search) {
  const query = new URLSearchParams(search);
  const found = {};
  for (const [name, value] of Object.entries(defaults)) {
    const text = query.get(name);
    if (Array.isArray(value)) found[name] = text ? text.split(",").filter(Boolean) : [...value];
    else found[name] = text ?? value;
  }
  return found;
}

// The query of these values, with its question mark; empty when all are at their defaults.
export function writeQuery(defaults, values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(defaults)) {
    const text = String(values[name] ?? "");
    if (text !== String(value)) query.set(name, text);
  }
  // Commas between names read better as they are.
  const text = query.toString().replaceAll("%2C", ",");
  return text ? `?${text}` : "";
}
