// Elements, without any way from a string to markup: what comes from a server becomes text.

const PROPERTIES = new Set(["value", "checked", "selected", "indeterminate", "open", "htmlFor"]);
const SVG = "http://www.w3.org/2000/svg";

// An element. `spec` is a tag with classes and an id, as `button.primary#run`; then come an object
// of attributes and listeners, if any, and children. Absent children (null, false) are left out.
export function h(spec, ...rest) {
  const [, tag, more] = /^([a-z0-9-]*)(.*)$/i.exec(spec);
  return fill(document.createElement(tag || "div"), more, rest);
}

// The same for a drawing.
export function svg(spec, ...rest) {
  const [, tag, more] = /^([a-zA-Z]+)(.*)$/.exec(spec);
  return fill(document.createElementNS(SVG, tag), more, rest);
}

function fill(element, more, rest) {
  for (const part of more.match(/[.#][^.#]+/g) ?? []) {
    if (part[0] === ".") element.classList.add(part.slice(1));
    else element.id = part.slice(1);
  }
  if (isAttributes(rest[0])) set(element, rest.shift());
  element.append(...flat(rest));
  return element;
}

function isAttributes(value) {
  return (
    value !== null && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value)
  );
}

// Sets attributes; `false`, null and undefined take one away.
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function" && name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (name === "class") {
      element.classList.add(...String(value).split(" ").filter(Boolean));
    } else if (name === "style") {
      for (const [property, one] of Object.entries(value)) element.style.setProperty(property, one);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else if (PROPERTIES.has(name)) {
      element[name] = value ?? "";
    } else if (value === false || value === null || value === undefined) {
      element.removeAttribute(name);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  return element;
}

function flat(children) {
  return children
    .flat(Infinity)
    .filter((one) => one !== null && one !== undefined && one !== false);
}

// Puts children in the place of those that are there. What looks the same stays, with its focus.
export function replace(element, ...children) {
  const wanted = flat(children).map((one) =>
    one instanceof Node ? one : document.createTextNode(String(one)),
  );
  const present = [...element.childNodes];
  if (wanted.length === present.length && wanted.every((one, at) => one.isEqualNode(present[at]))) {
    return element;
  }
  const path = element.contains(document.activeElement)
    ? pathTo(document.activeElement, element)
    : null;
  element.replaceChildren(...wanted);
  if (path) focusAt(element, path);
  return element;
}

// Where the focus is below an element, as places among children; and the focus back to there, when
// what stands there now is of the same kind.
function pathTo(node, top) {
  const places = [];
  for (let one = node; one !== top; one = one.parentElement) {
    places.unshift([...one.parentElement.children].indexOf(one));
  }
  return node === top ? null : { places, tag: node.tagName };
}

function focusAt(top, { places, tag }) {
  const found = places.reduce((one, at) => one?.children[at], top);
  if (found?.tagName === tag) found.focus({ preventScroll: true });
}

// Brings the children of an element in line with a list: each item keeps its element, by its key.
export function reconcile(parent, items, { key, make, update }) {
  const old = (parent.linkopsItems ??= new Map());
  const next = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const id = key(item);
    const element = old.get(id) ?? make(item);
    update?.(element, item);
    next.set(id, element);
    if (element === place) place = place.nextSibling;
    else parent.insertBefore(element, place);
  }
  for (const [id, element] of old) if (next.get(id) !== element) element.remove();
  parent.linkopsItems = next;
}

// Waits until the browser is about to paint, and then calls once, however often it was asked.
export function onFrame(task) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      task();
    });
  };
}

let counter = 0;

// An id for a label and its field.
export function newId(word) {
  return `${word}-${++counter}`;
}
