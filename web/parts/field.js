// A field with its label, its hint and what is wrong with it.

import { h, newId, replace } from "../core/dom.js";

// `control` is made here from attributes when it is none. Gives the element with `input` and
// `wrong(text)`.
export function field(label, { control, hint, ...attributes } = {}) {
  const id = newId("field");
  const input = control ?? h("input", { type: "text", ...attributes });
  input.id = id;
  const under = hint && h("span.hint", { id: `${id}-hint` }, hint);
  const said = h("span.wrong", { id: `${id}-wrong`, role: "alert" });
  input.setAttribute(
    "aria-describedby",
    [under && `${id}-hint`, `${id}-wrong`].filter(Boolean).join(" "),
  );
  const wrong = (text) => {
    replace(said, text || null);
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  return Object.assign(h("div.field", h("label", { for: id }, label), input, under, said), {
    input,
    wrong,
  });
}

// A day as a filter, its label before it. Gives the element with `input`.
export function dayField(label, change) {
  const input = h("input", { type: "date", onchange: () => change(input.value) });
  return Object.assign(h("label.day", label, input), { input });
}

export function choice(label, options, value) {
  const control = h(
    "select",
    options.map(([id, text]) => h("option", { value: id }, text)),
  );
  const made = field(label, { control });
  control.value = value;
  return made;
}
