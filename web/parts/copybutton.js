// A button that copies a text, or at least selects it.

import { copyText } from "../core/clipboard.js";
import { h } from "../core/dom.js";
import { icon } from "./icons.js";
import { done } from "./notes.js";

// `place` is the element that shows the text, `told` what is said when it was copied.
export function copyButton({ text, place, told, kind = "" }) {
  const copy = async () => {
    getSelection().selectAllChildren(place);
    if (await copyText(text)) done(told);
    else done("The browser does not let pages copy. The text is selected: press Ctrl+C.");
  };
  return h(`button${kind}`, { type: "button", onclick: copy }, icon("copy"), "Copy");
}
