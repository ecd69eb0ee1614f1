// One's own account: who one is, and a new password.

import { get, post } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { setSingleKeys, singleKeys } from "../core/keys.js";
import { begin } from "../core/session.js";
import { failureBox } from "../parts/failure.js";
import { field } from "../parts/field.js";
import { pageHead, timeAt } from "../parts/head.js";
import { done } from "../parts/notes.js";
import { signOut } from "../parts/shell.js";

export default async function account({ signal }) {
  const me = await get("/api/auth/me", {}, signal);
  return h(
    "div.page.narrow",
    pageHead({
      title: "Account",
      actions: [h("button", { type: "button", onclick: signOut }, "Sign out")],
    }),
    h(
      "section.card",
      { "aria-label": "Who you are" },
      h(
        "dl.pairs",
        h("dt", "User"),
        h("dd", me.username),
        h("dt", "Role"),
        h("dd", me.role),
        h("dt", "Signed in until"),
        h("dd", timeAt(Date.parse(me.expires_at))),
      ),
    ),
    keyboard(),
    passwordForm(me.username),
  );
}

function keyboard() {
  const single = h("input", {
    type: "checkbox",
    checked: singleKeys(),
    onchange: () => setSingleKeys(single.checked),
  });
  return h(
    "section.card",
    { "aria-label": "Keyboard" },
    h("h2", "Keyboard"),
    h("label.choice", single, "Single characters act as keys, such as / and g o"),
    h("p.small.soft", "This browser remembers it. Keys with Ctrl act in any case."),
  );
}

function passwordForm(username) {
  const old = field("Present password", { type: "password", autocomplete: "current-password" });
  const fresh = field("New password", {
    type: "password",
    autocomplete: "new-password",
    hint: "At least 8 characters. All your other sessions and API tokens end.",
  });
  const again = field("New password again", { type: "password", autocomplete: "new-password" });
  const said = h("div", { role: "alert" });

  async function send(event) {
    event.preventDefault();
    old.wrong(old.input.value ? "" : "Give your present password.");
    fresh.wrong([...fresh.input.value].length >= 8 ? "" : "Take at least 8 characters.");
    again.wrong(again.input.value === fresh.input.value ? "" : "This is not the same.");
    const first = form.querySelector("[aria-invalid]");
    if (first) return first.focus();
    try {
      begin(
        await post("/api/auth/password", {
          current_password: old.input.value,
          new_password: fresh.input.value,
        }),
      );
      form.reset();
      replace(said);
      done("Your password was changed.");
    } catch (error) {
      if (error.code === "INVALID_CREDENTIALS")
        (old.wrong("This is not your present password."), old.input.focus());
      else replace(said, failureBox(error));
    }
  }

  const name = h("input", {
    type: "text",
    autocomplete: "username",
    value: username,
    hidden: true,
    "aria-hidden": "true",
    tabindex: "-1",
  });
  const form = h(
    "form.card",
    { "aria-label": "Password", novalidate: true, onsubmit: send },
    h("h2", "Change your password"),
    name,
    old,
    fresh,
    again,
    said,
    h("div.row", h("button.primary", { type: "submit" }, "Change password")),
  );
  return form;
}
