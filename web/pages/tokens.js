// API tokens, for scripts and CI: one's own, and for admins all of them. A token is shown once.

import { get, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { may, ROLES, session } from "../core/session.js";
import { copyButton } from "../parts/copybutton.js";
import { openDialog } from "../parts/dialog.js";
import { emptyBox } from "../parts/failure.js";
import { choice, field } from "../parts/field.js";
import { formDialog } from "../parts/formdialog.js";
import { freshList, removeAsked } from "../parts/freshlist.js";
import { pageHead, timeAgo, timeAt } from "../parts/head.js";
import { icon } from "../parts/icons.js";
import { dataTable } from "../parts/table.js";

export default async function tokens({ signal }) {
  const table = dataTable({
    label: "API tokens",
    key: (one) => one.id,
    signal,
    columns: [
      { id: "name", label: "Token", kind: "main", cell: (one) => h("strong", one.name) },
      { id: "user", label: "Of", cell: (one) => one.username },
      { id: "role", label: "Role", kind: "wide", cell: (one) => one.role },
      { id: "used", label: "Last used", cell: (one) => timeAgo(one.last_used_at) },
      {
        id: "expires",
        label: "Expires",
        kind: "wide",
        cell: (one) =>
          one.expires_at < Date.now() ? h("span.status.warn", "expired") : timeAt(one.expires_at),
      },
      {
        id: "act",
        label: "",
        kind: "number",
        cell: (one) =>
          h(
            "button.link",
            { type: "button", "aria-label": `Revoke ${one.name}`, onclick: () => revoke(one) },
            "Revoke…",
          ),
      },
    ],
  });

  async function create() {
    const name = field("Name", { autocomplete: "off", hint: "What uses it: a host, a pipeline." });
    const role = choice(
      "Role",
      ROLES.filter(may).map((one) => [one, one]),
      session().role,
    );
    const days = field("Good for days", { type: "number", min: "1", max: "3650", value: "90" });
    const send = () =>
      post("/api/tokens", {
        name: name.input.value,
        role: role.input.value,
        expires_in_days: Number(days.input.value),
      });
    const made = await formDialog({
      title: "New API token",
      fields: { name, role, expires_in_days: days },
      act: "Create",
      send,
    });
    if (!made) return;
    list.fresh();
    await reveal(made);
  }

  const revoke = (one) =>
    removeAsked({
      title: "Revoke this token?",
      text: "Whatever uses it is refused from now on.",
      named: [one.name],
      word: "token",
      act: "Revoke",
      path: `/api/tokens/${encodeURIComponent(one.id)}`,
      told: `${one.name} was revoked.`,
      fresh: list.fresh,
    });

  const load = () => get("/api/tokens", {}, signal);
  const list = freshList({ every: 15_000, signal, table, load, none });
  await list.fresh.first;
  const add = h("button.primary", { type: "button", onclick: create }, icon("plus"), "New token…");
  return h("div.page", pageHead({ title: "API tokens", actions: [add] }), list.element);
}

function none() {
  return emptyBox({
    title: "There are no API tokens",
    symbol: "tokens",
    text: "A token lets a script or a pipeline call the API, with no more rights than you have.",
  });
}

// The one time that a token is seen.
function reveal({ name, token }) {
  const place = h("pre.steps.token", { tabindex: "0", "aria-label": "Token" }, token);
  return openDialog({
    title: `Token ${name}`,
    content: h(
      "div.stack",
      h("p", "Copy it now: it is not shown again."),
      place,
      h("div.row", copyButton({ text: token, place, told: "The token was copied." })),
    ),
    stays: true,
    buttons: [{ label: "Done", kind: "primary", value: true }],
  });
}
