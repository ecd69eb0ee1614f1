// A dialog with fields: sends, shows what is wrong beside its field, and closes when it was done.

import { h, replace } from "../core/dom.js";
import { openDialog } from "./dialog.js";
import { failureBox } from "./failure.js";

// `fields` are by their names in the API; `send()` gives a promise. Gives the answer, null when it was left.
export function formDialog({ title, fields, act, send }) {
  return openDialog({
    title,
    content(close) {
      const said = h("div", { role: "alert" });
      const button = h("button.primary", { type: "submit" }, act);
      const submit = async (event) => {
        event.preventDefault();
        button.disabled = true;
        replace(said);
        try {
          close((await send()) ?? true);
        } catch (error) {
          refuse(error);
        } finally {
          button.disabled = false;
        }
      };
      const refuse = (error) => {
        const wrong = error.details?.fields ?? {};
        let isShown = false;
        for (const [name, one] of Object.entries(fields)) {
          one.wrong(wrong[name] ?? "");
          isShown ||= name in wrong;
        }
        if (!isShown) replace(said, failureBox(error));
        Object.entries(fields)
          .find(([name]) => name in wrong)?.[1]
          .input.focus();
      };
      const cancel = h("button", { type: "button", onclick: () => close() }, "Cancel");
      return h(
        "form.stack",
        { novalidate: true, onsubmit: submit },
        Object.values(fields),
        said,
        h("div.buttons", cancel, button),
      );
    },
    onopen: (dialog) => dialog.querySelector("input, select")?.focus(),
  });
}
