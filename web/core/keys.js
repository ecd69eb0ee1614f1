// Keys of the keyboard: single ones (`/`), with modifiers (`Ctrl+k`), and two in a row (`g o`).
// Whoever types into a field or a terminal keeps all keys, but for those marked as for everywhere.

const KEPT = "linkops.keys";
const bindings = [];
let first = "";
let firstAt = 0;

// Binds keys until `signal` is aborted: `{keys, label, run, everywhere}`; newer bindings win.
export function bindKeys(list, signal) {
  // The page was left while it was made.
  if (signal.aborted) return;
  bindings.unshift(...list);
  signal.addEventListener("abort", () => {
    for (const one of list) bindings.splice(bindings.indexOf(one), 1);
  });
}

// All that is bound now and does something, for the list of keys.
export function boundKeys() {
  return bindings.filter((one) => one.label && isOn(one));
}

// Whether keys act that are characters: who speaks to the computer, or hits keys unwillingly, may
// want none of them (WCAG 2.1.4).
export function singleKeys() {
  return localStorage.getItem(KEPT) !== "off";
}

export function setSingleKeys(on) {
  if (on) localStorage.removeItem(KEPT);
  else localStorage.setItem(KEPT, "off");
}

const isOn = ({ keys }) => singleKeys() || !/^\S( \S)*$/.test(keys);

function name(event) {
  const parts = [];
  if (event.ctrlKey || event.metaKey) parts.push("Ctrl");
  if (event.altKey) parts.push("Alt");
  if (event.shiftKey && event.key.length > 1) parts.push("Shift");
  parts.push(event.key.length === 1 && parts.length > 0 ? event.key.toLowerCase() : event.key);
  return parts.join("+");
}

function isTyping(target) {
  return (
    target.closest?.(
      "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable], .xterm",
    ) !== null
  );
}

// Whether the element itself does something with this key.
function isOwn({ key, target }) {
  return (
    (key === " " || key === "Enter") &&
    target.closest?.("a, button, input, select, summary, [role^=menuitem]")
  );
}

function isTerminal(target) {
  return target.closest?.(".xterm") !== null;
}

export function startKeys() {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || isTerminal(event.target)) return;
    const key = name(event);
    const pair = performance.now() - firstAt < 1200 ? `${first} ${key}` : "";
    const quiet = isTyping(event.target) || document.querySelector("dialog[open]") !== null;
    const found =
      bindings.find((one) => one.keys === pair && pair) ?? bindings.find((one) => one.keys === key);
    first = "";
    if (isOwn(event)) return;
    if (found && isOn(found) && (!quiet || found.everywhere)) {
      event.preventDefault();
      found.run(event);
    } else if (!quiet && key.length === 1) {
      first = key;
      firstAt = performance.now();
    }
  });
}
