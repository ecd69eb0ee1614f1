// Signing in: name, password, and whether to stay signed in. A lock is shown with its end.

import { post } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { pad } from "../core/format.js";
import { navigate } from "../core/router.js";
import { begin } from "../core/session.js";
import { everySecond } from "../core/live.js";
import { wordsOf } from "../parts/failure.js";
import { field } from "../parts/field.js";
import { mark } from "../parts/icons.js";

export default function signin({ signal }) {
  const said = h("div", { role: "alert" });
  // Beside the alert, which would be read out each second otherwise.
  const clock = h("p.small.soft.number", { hidden: true });
  let opens = 0;
  const name = field("User name", {
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
    autofocus: true,
  });
  const password = field("Password", {
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  const keep = h("input", { type: "checkbox" });
  const button = h("button.primary", { type: "submit" }, "Sign in");
  const form = h(
    "form.stack",
    { novalidate: true, onsubmit: send },
    name,
    password,
    h("label.choice", keep, "Stay signed in on this computer"),
    said,
    clock,
    button,
  );
  everySecond(signal, tick);
  const reason = sessionStorage.getItem("linkops.reason");
  sessionStorage.removeItem("linkops.reason");
  if (reason) tell("info", reason);
  requestAnimationFrame(() => name.input.focus());

  async function send(event) {
    event.preventDefault();
    if (!name.input.value || !password.input.value) {
      (name.input.value ? password : name).input.focus();
      return tell("fail", "Give your user name and your password.");
    }
    button.disabled = true;
    replace(said);
    opens = 0;
    tick();
    try {
      const body = { username: name.input.value, password: password.input.value };
      begin(await post("/api/auth/login", body, signal), keep.checked);
      navigate(next(), { instead: true });
    } catch (error) {
      refuse(error);
    } finally {
      button.disabled = false;
    }
  }

  function refuse(error) {
    const until = Date.parse(error.details?.unlock_at ?? "");
    if (error.code === "ACCOUNT_LOCKED" && until) return locked(until, error.code);
    const { title, advice, code } = wordsOf(error);
    tell("fail", title, advice, code);
    password.input.focus();
    password.input.select();
  }

  // Says when the lock ends, and counts down to it.
  function locked(until, code) {
    const at = new Date(until).toLocaleTimeString();
    const more = `It opens at ${at}. An admin can lift the lock with a new password.`;
    tell("fail", "Too many wrong passwords: this account is locked.", more, code);
    opens = until;
    tick();
  }

  function tick() {
    const left = Math.max(0, Math.ceil((opens - Date.now()) / 1000));
    clock.hidden = opens === 0;
    clock.textContent = left === 0 ? "It is open now." : `It opens in ${clockOf(left)}.`;
  }

  function tell(kind, title, more, code) {
    const sign = kind === "info" ? null : h("span.status.fail", mark("fail"));
    replace(
      said,
      h(
        `div.box.${kind === "info" ? "hint" : "failure"}`,
        sign,
        h(
          "div.grow",
          h("strong", title),
          more && h("p", more),
          code && h("p.small.soft.mono", code),
        ),
      ),
    );
  }

  return h(
    "div.card",
    h("h1.brand", h("img", { src: "asset:icon.svg", alt: "" }), "LinkOps"),
    form,
  );
}

// Seconds as "4:05".
const clockOf = (left) => `${Math.floor(left / 60)}:${pad(left % 60)}`;

// Back to where the user wanted to go, inside the console only.
function next() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "/";
  return /^\/(?![/\\])/.test(wanted) ? wanted : "/";
}
