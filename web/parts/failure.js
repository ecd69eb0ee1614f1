// Failures as people read them: the words, what to do, the code, and the request's id for whoever
// reads the log.

import { h } from "../core/dom.js";
import { icon, mark } from "./icons.js";

// What to do where the message does not say it.
const ADVICE = {
  ACCOUNT_LOCKED:
    "Wait until then, or ask an admin for a new password, which lifts the lock at once.",
  FORBIDDEN: "Ask an admin for a role that allows it.",
  ENROLLMENT_REQUIRED: "Put the client id on the machine, verify it, and start again.",
  LINK_NOT_FOUND: "It may have left the inventory with the last sync.",
  SCRIPT_NOT_FOUND: "It may have left the catalogue with the last sync.",
  OPERATION_NOT_FOUND: "Look in the list of operations.",
  OPERATION_FINISHED: "Nothing is left to stop.",
  TOO_MANY_OPERATIONS: "Wait until an operation has ended.",
  RATE_LIMITED: "Wait a moment.",
  GIT_AUTHENTICATION_FAILED: "Check the token or the key that [git] names in the configuration.",
  GIT_UNREACHABLE: "Check the address of the repository and the network of this host.",
  REPOSITORY_NOT_FOUND: "Set [git] repository_url and branch in the configuration.",
  YAML_INVALID: "Correct the file, commit and push; the inventory stays as it was until then.",
  SSH_CONNECTION_FAILED: "Check that the machine is up, and its host, port, user and key.",
  SHUTTING_DOWN: "It will be back in a moment.",
  OVERLOADED: "Try again in a moment.",
  LAST_ADMIN: "Make another admin first.",
  INTERNAL_ERROR: "The log of linkopsd has the cause under this request's id.",
};

// `{title, advice, code}` of an error of any kind.
export function wordsOf(error) {
  if (!error.code)
    return {
      title: "The console made a mistake",
      advice: String(error.message ?? error),
      code: "",
    };
  const [first, ...more] = String(error.message).split("\n");
  const wait = error.retryAfter ? ` Try again in ${error.retryAfter} s.` : "";
  const advice = (more.join(" ") || ADVICE[error.code] || "") + wait;
  return { title: sentence(first), advice: sentence(advice), code: error.code };
}

function sentence(text) {
  return text && text[0].toUpperCase() + text.slice(1);
}

// A failure in the place of what could not be shown.
export function failureBox(error, retry) {
  const { title, advice, code } = wordsOf(error);
  return h(
    "div.box.failure",
    { role: "alert" },
    h("span.status.fail", mark("fail")),
    h(
      "div.grow",
      h("strong", title),
      advice && h("p.soft", advice),
      details(error),
      h("p.small.soft.mono", code, error.requestId && ` · request ${error.requestId}`),
    ),
    retry && h("button", { onclick: retry }, icon("refresh"), "Try again"),
  );
}

// What the details of some codes say, line by line.
function details(error) {
  const { targets, problems, fields } = error.details ?? {};
  const lines = [];
  if (Array.isArray(targets)) {
    for (const one of targets) lines.push([one.target, one.error ?? "not enrolled"]);
  } else if (Array.isArray(problems)) {
    for (const one of problems)
      lines.push([one.line ? `${one.file}:${one.line}` : one.file, one.message]);
  } else if (fields && typeof fields === "object") {
    lines.push(...Object.entries(fields));
  }
  if (lines.length === 0) return null;
  return h(
    "ul.facts",
    lines.map(([name, text]) => h("li", h("code", name), " ", String(text))),
  );
}

// In the place of a list that is empty: why, and the exact next step.
export function emptyBox({ title, text, steps, action, symbol = "info" }) {
  return h(
    "div.box.empty",
    h("span.symbol", icon(symbol)),
    h("div", h("strong", title), text && h("p.soft", text), steps && h("pre.steps", steps)),
    action,
  );
}
