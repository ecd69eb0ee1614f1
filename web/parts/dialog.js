// Dialogs: questions with the names of what they are about, and other contents.

import { h } from "../core/dom.js";
import { plural } from "../core/format.js";

// Opens a dialog and gives a promise of its value; null when it was left. One that `stays` is not left by
// a click beside it.
export function openDialog({ title, content, buttons, wide, bare, stays, onopen }) {
  const before = document.activeElement;
  return new Promise((resolve) => {
    const close = (value = null) => {
      dialog.close();
      dialog.remove();
      if (before?.isConnected) before.focus({ preventScroll: true });
      resolve(value);
    };
    const row = buttons?.map(({ label, kind, value, autofocus }) =>
      h(
        `button${kind ? `.${kind}` : ""}`,
        { type: "button", autofocus, onclick: () => close(value) },
        label,
      ),
    );
    const inside = typeof content === "function" ? content(close) : content;
    const dialog = h(
      "dialog",
      {
        "aria-label": title,
        class: wide ? "wide" : "",
        oncancel: (event) => (event.preventDefault(), close()),
      },
      bare ? inside : h("div.inside", h("h2", title), inside, row && h("div.buttons", row)),
    );
    // Whoever selects text and lets go beside the dialog does not want to leave it.
    let isBeside = false;
    const press = (event) => (isBeside = event.target === dialog);
    dialog.addEventListener("pointerdown", press);
    dialog.addEventListener(
      "click",
      (event) => isBeside && !stays && event.target === dialog && close(),
    );
    document.body.append(dialog);
    dialog.showModal();
    onopen?.(dialog, close);
  });
}

// Asks before something is done to machines or users, and names every one of them.
export async function confirmAct({
  title,
  text,
  named = [],
  word = "machine",
  act,
  danger = true,
}) {
  const content = [
    typeof text === "string" ? h("p", text) : text,
    named.length > 0 && [
      h("p.small.soft", plural(named.length, word)),
      h(
        "ul.names.mono.small",
        { tabindex: named.length > 12 ? "0" : null, "aria-label": "Names" },
        named.map((one) => h("li", one)),
      ),
    ],
  ];
  const answer = await openDialog({
    title,
    content,
    buttons: [
      { label: "Cancel", value: false },
      { label: act, kind: danger ? "danger" : "primary", value: true, autofocus: true },
    ],
  });
  return answer === true;
}
