// Signing in: name, password, and whether to stay signed in. A lock is shown with its end.

import { post } from "../core/api.js";
import { h, newId, replace } from "../core/dom.js";
import { navigate } from "../core/router.js";
import { begin } from "../core/session.js";
import { everySecond } from "../core/live.js";
import { wordsOf } from "../parts/failure.js";
import { mark } from "../parts/icons.js";

export default function signin({ signal }) {
  const said = h("div", { role: "alert" });
  const name = field("User name", {
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    autofocus: true,
  });
  const password = field("Password", { type: "password", autocomplete: "current-password" });
  const keep = h("input", { type: "checkbox" });
  const button = h("button.primary", { type: "submit" }, "Sign in");
  const form = h(
    "form.stack",
    { novalidate: true, onsubmit: send },
    name,
    password,
    h("label.choice", keep, "Stay signed in on this computer"),
    said,
    button,
  );
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
    if (error.code === "ACCOUNT_LOCKED" && until) return locked(until);
    const { title, advice } = wordsOf(error);
    tell("fail", title, advice);
    password.input.focus();
    password.input.select();
  }

  // Says when the lock ends, and counts down to it.
  function locked(until) {
    const clock = h("span.number");
    const at = new Date(until).toLocaleTimeString();
    const count = () => {
      const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      clock.textContent =
        left === 0 ? "now" : `in ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    };
    count();
    everySecond(signal, count);
    tell("fail", "Too many wrong passwords: this account is locked.", [
      `It opens at ${at} (`,
      clock,
      "). An admin can lift the lock with a new password.",
    ]);
  }

  function tell(kind, title, more) {
    const sign = kind === "info" ? null : h("span.status.fail", mark("fail"));
    replace(
      said,
      h(
        `div.box.${kind === "info" ? "hint" : "failure"}`,
        sign,
        h("div.grow", h("strong", title), more && h("p", more)),
      ),
    );
  }

  return h(
    "div.card",
    h("h1.brand", h("img", { src: "asset:icon.svg", alt: "" }), "LinkOps"),
    form,
  );
}

function field(label, attributes) {
  const id = newId("field");
  const input = h("input", { id, type: "text", required: true, ...attributes });
  return Object.assign(h("div.field", h("label", { for: id }, label), input), { input });
}

// Back to where the user wanted to go, inside the console only.
function next() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "/";
  return /^\/(?![/\\])/.test(wanted) ? wanted : "/";
}
