// The list of all keys that are bound on this page.

import { h } from "../core/dom.js";
import { boundKeys, singleKeys } from "../core/keys.js";
import { openDialog } from "./dialog.js";
import { loadStyle } from "./style.js";

const css = "asset:style/palette.css";

export async function openShortcuts() {
  await loadStyle(css);
  const seen = new Set();
  const bound = boundKeys().filter(({ keys }) => !seen.has(keys) && seen.add(keys));
  const here = bound.filter(({ keys }) => !keys.startsWith("g "));
  const ways = bound.filter(({ keys }) => keys.startsWith("g "));
  await openDialog({
    title: "Keys",
    wide: true,
    content: h(
      "div.stack",
      h("div.keys", here.map(line)),
      !singleKeys() &&
        h("p.soft", "Keys of one character are off. The page Account turns them on."),
      ways.length > 0 && [h("h3", "Go to"), h("div.keys", ways.map(line))],
    ),
    buttons: [{ label: "Close", value: null, autofocus: true }],
  });
}

function line({ keys, label }) {
  return h(
    "div",
    h("span", label),
    h(
      "span",
      keys.split(/[ +]/).map((one) => [h("kbd", one), " "]),
    ),
  );
}
