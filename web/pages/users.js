// Users and their roles: new ones, new passwords, other roles, and goodbyes. For admins.

import { get, patch, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { ROLES, session } from "../core/session.js";
import { choice, field } from "../parts/field.js";
import { formDialog } from "../parts/formdialog.js";
import { freshList, removeAsked } from "../parts/freshlist.js";
import { pageHead, timeAgo } from "../parts/head.js";
import { icon, mark } from "../parts/icons.js";
import { menuButton } from "../parts/menu.js";
import { done, failed } from "../parts/notes.js";
import { dataTable } from "../parts/table.js";

const RIGHTS = {
  viewer: "reads",
  operator: "also runs scripts, opens terminals, syncs",
  admin: "also users and the audit log",
};

export default async function users({ signal }) {
  const add = h("button.primary", { type: "button", onclick: create }, icon("plus"), "New user…");
  const table = dataTable({
    label: "Users",
    key: (one) => one.username,
    signal,
    columns: [
      {
        id: "name",
        label: "User",
        kind: "main",
        cell: (one) => [
          h("strong", one.username),
          one.username === session().username && h("span.soft", " (you)"),
        ],
      },
      { id: "role", label: "Role", cell: (one) => one.role },
      { id: "login", label: "Last sign-in", cell: (one) => timeAgo(time(one.last_login)) },
      {
        id: "created",
        label: "Since",
        kind: "wider",
        cell: (one) => timeAgo(time(one.created_at)),
      },
      { id: "locked", label: "State", kind: "wide", cell: (one) => locked(one.locked_until) },
      {
        id: "act",
        label: "",
        kind: "number",
        cell: (one) =>
          menuButton([icon("more")], {
            // The row may have changed since the button was made.
            items: () => acts(list.rows.find(({ username }) => username === one.username)),
            label: `Acts for ${one.username}`,
            kind: ".plain.square",
          }),
      },
    ],
  });

  function acts(one) {
    return [
      { label: "New password…", icon: "key", run: () => password(one) },
      { title: "Role" },
      ...ROLES.map((role) => ({
        label: role,
        checked: one.role === role,
        run: () => setRole(one, role),
      })),
      "line",
      { label: "Remove…", icon: "close", run: () => drop(one) },
    ];
  }

  async function create() {
    const name = field("User name", {
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
    });
    const roles = ROLES.map((one) => [one, `${one}: ${RIGHTS[one]}`]);
    const role = choice("Role", roles, "operator");
    const secret = field("Password", {
      type: "password",
      autocomplete: "new-password",
      hint: "At least 8 characters. The user can change it.",
    });
    const send = () =>
      post("/api/users", {
        username: name.input.value,
        role: role.input.value,
        password: secret.input.value,
      });
    const made = await formDialog({
      title: "New user",
      fields: { username: name, role, password: secret },
      act: "Create",
      send,
    });
    if (made) told(`${made.username} can sign in now.`);
  }

  async function password(one) {
    const secret = field("New password", {
      type: "password",
      autocomplete: "new-password",
      hint: "It lifts a lock, and ends the sessions and API tokens of the user.",
    });
    const send = () =>
      patch(`/api/users/${encodeURIComponent(one.username)}`, { password: secret.input.value });
    if (
      await formDialog({
        title: `New password for ${one.username}`,
        fields: { password: secret },
        act: "Set password",
        send,
      })
    )
      told(`${one.username} has a new password.`);
  }

  async function setRole(one, role) {
    if (role === one.role) return;
    try {
      await patch(`/api/users/${encodeURIComponent(one.username)}`, { role });
      told(`${one.username} is ${role} now.`);
    } catch (error) {
      failed(error);
    }
  }

  const drop = (one) =>
    removeAsked({
      title: "Remove this user?",
      text: "The sessions and API tokens of this user end at once. What was done stays in the audit log.",
      named: [one.username],
      word: "user",
      act: "Remove",
      path: `/api/users/${encodeURIComponent(one.username)}`,
      told: `${one.username} was removed.`,
      fresh: list.fresh,
    });

  function told(text) {
    done(text);
    list.fresh();
  }

  const load = () => get("/api/users", {}, signal);
  const list = freshList({ every: 15_000, signal, table, load });
  await list.fresh.first;
  return h("div.page", pageHead({ title: "Users", actions: [add] }), list.element);
}

// Times come as numbers, or in words of RFC 3339.
const time = (value) => (typeof value === "string" ? Date.parse(value) : value);

function locked(until) {
  if (until === null || Date.parse(until) < Date.now()) return null;
  return h(
    "span.status.warn",
    mark("warn"),
    "Locked until ",
    h("span.number", new Date(until).toLocaleTimeString()),
  );
}
