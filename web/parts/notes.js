// Notes in the corner: what was done, what failed, and what is not as asked. Done things go by
// themselves; others stay until somebody has read them.

import { h } from "../core/dom.js";
import { icon, mark } from "./icons.js";
import { wordsOf } from "./failure.js";

const list = h("div.notes", { role: "region", "aria-label": "Notes" });
const spoken = h("div.unseen", { "aria-live": "polite" });
document.body.append(list, spoken);

export function done(text, action) {
  const note = show("ok", text, action);
  const timer = setTimeout(() => note.remove(), 6000);
  note.addEventListener("pointerenter", () => clearTimeout(timer));
}

export function failed(error) {
  if (error.name === "AbortError") return;
  const { title, advice, code } = wordsOf(error);
  show("fail", [
    h("strong", title),
    advice && h("div.soft", advice),
    code && h("div.small.mono.soft", code),
  ]);
}

export function warn(title, text) {
  show("warn", [h("strong", title), h("div.soft", text)]);
}

function show(kind, words, action) {
  const close = () => note.remove();
  const button = h(
    "button.plain.square",
    { "aria-label": "Close this note", onclick: close },
    icon("close"),
  );
  const more = action && h("div", h("a", { href: action.href, onclick: close }, action.label));
  const note = h(
    "div.note",
    h(`span.status.${kind}`, mark(kind)),
    h("div.words", words, more),
    button,
  );
  list.append(note);
  spoken.textContent = note.querySelector(".words").textContent;
  while (list.children.length > 4) list.firstChild.remove();
  return note;
}
