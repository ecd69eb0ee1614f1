// Terminals: sessions to come back to, and a new one with its layout and machines.

import { get, post, put } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { plural } from "../core/format.js";
import { layoutFor, layouts, NAMES, panesOf } from "../core/layouts.js";
import { keepFresh } from "../core/live.js";
import { navigate } from "../core/router.js";
import { emptyBox, failureBox } from "../parts/failure.js";
import { removeAsked } from "../parts/freshlist.js";
import { pageHead, timeAgo } from "../parts/head.js";
import { icon } from "../parts/icons.js";
import { failed, warn } from "../parts/notes.js";
import { status } from "../parts/status.js";
import { loadStyle } from "../parts/style.js";

const css = "asset:style/terminal.css";

export default async function terminal({ signal }) {
  const [machines] = await Promise.all([get("/api/links", {}, signal), loadStyle(css)]);
  const able = machines.filter((one) => one.enrolled).map((one) => one.id);
  const query = new URLSearchParams(location.search);
  const asked = [...new Set((query.get("targets") ?? "").split(",").filter(Boolean))];
  const wanted = asked.filter((id) => able.includes(id)).slice(0, NAMES.length);
  tellMissing(asked, wanted, machines);
  // Whoever comes with machines wants to be on them.
  if (wanted.length > 0) return begin(layoutFor(wanted.length), wanted, signal);
  const head = pageHead({
    title: "Terminal",
    actions: [h("a.button", { href: "/recordings" }, icon("film"), "Recordings")],
  });
  const list = h("section.stack.tight", { "aria-label": "Open sessions" });
  const fresh = keepFresh({
    every: 5000,
    signal,
    async task() {
      const workspaces = await get("/api/terminal/workspaces", {}, signal);
      replace(
        list,
        h("h2", "Open sessions"),
        workspaces.length
          ? h("div.cards", workspaces.map(card))
          : h(
              "p.soft",
              "There are none. A session stays open for a while when you leave it, and comes back with what was on its screens.",
            ),
      );
    },
    failed: (error) =>
      list.childElementCount === 0 &&
      replace(
        list,
        failureBox(error, () => fresh()),
      ),
  });

  function card(one) {
    const panes = Object.entries(one.panes);
    const close = h("button", { type: "button", onclick: () => end(one) }, "Close…");
    return h(
      "article.card",
      { "aria-label": `Session of ${one.created_by}` },
      h(
        "header",
        h("strong", plural(panes.length, "machine")),
        h(
          "span.soft.small",
          one.sockets > 0 ? `open in ${plural(one.sockets, "window")}` : "detached",
        ),
      ),
      h(
        "ul.stack.tight",
        panes.map(([name, pane]) =>
          h(
            "li.row",
            h("span.letter", name),
            h("span.grow", pane.target),
            status(
              pane.status === "assigned" ? "idle" : pane.status,
              pane.status === "assigned" ? "Not connected" : undefined,
            ),
          ),
        ),
      ),
      h(
        "div.row",
        h("span.soft.small.grow", `${one.created_by}, `, timeAgo(one.created_at)),
        close,
        h("a.button.primary", { href: `/terminal/${one.workspace_id}` }, "Open"),
      ),
    );
  }

  const end = (one) =>
    removeAsked({
      title: "Close this session?",
      text: "The shells on these machines end, and what runs in them.",
      named: Object.values(one.panes).map((pane) => pane.target),
      act: "Close",
      path: `/api/terminal/workspaces/${one.workspace_id}`,
      fresh,
    });

  await fresh.first;
  const form =
    able.length > 0
      ? newSession(able, signal)
      : emptyBox({
          title: "No machine is enrolled",
          symbol: "terminal",
          text: "Terminals open on enrolled machines only.",
          action: h("a.button.primary", { href: "/links?enrolled=false" }, "To the machines"),
        });
  return h("div.page", head, form, list);
}

// Says which machines have no pane, and why.
function tellMissing(asked, wanted, machines) {
  const missing = asked.filter((id) => !wanted.includes(id));
  if (missing.length === 0) return;
  const why = (id) => {
    const one = machines.find((each) => each.id === id);
    if (!one) return `${id} is not in the inventory.`;
    return one.enrolled ? `${id} is one too many.` : `${id} is not enrolled.`;
  };
  warn(`No pane for ${plural(missing.length, "machine")}`, missing.map(why).join(" "));
}

function newSession(able, signal) {
  let layout = layouts[0];
  const fields = h("div.how");
  const choices = h(
    "div.segments",
    { role: "group", "aria-label": "Layout" },
    layouts.map((one) =>
      h(
        "button",
        { type: "button", data: { layout: one.id }, onclick: () => ((layout = one), show()) },
        picture(one),
        one.label,
      ),
    ),
  );
  const selects = NAMES.map((name) =>
    h(
      "select",
      { "aria-label": `Machine of pane ${name}` },
      h("option", { value: "" }, "–"),
      able.map((id) => h("option", { value: id }, id)),
    ),
  );
  selects[0].value = able[0];
  const show = () => {
    for (const button of choices.children)
      button.setAttribute("aria-pressed", String(button.dataset.layout === layout.id));
    replace(
      fields,
      panesOf(layout).map((name, at) => h("label.field", `Pane ${name}`, selects[at])),
    );
  };
  const send = async (event) => {
    event.preventDefault();
    try {
      await begin(
        layout,
        panesOf(layout).map((_, at) => selects[at].value),
        signal,
      );
    } catch (error) {
      failed(error);
    }
  };
  show();
  return h(
    "form.card",
    { "aria-label": "New session", onsubmit: send },
    h("h2", "New session"),
    choices,
    fields,
    h("div.row", h("button.primary", { type: "submit" }, icon("terminal"), "Open")),
  );
}

function picture({ columns, rows }) {
  return h(
    "span.layout",
    { "aria-hidden": "true", style: { "--columns": columns, "--rows": rows } },
    Array.from({ length: columns * rows }, () => h("span")),
  );
}

// Makes a workspace with these machines and goes to it. Targets may be empty texts.
async function begin(layout, targets, signal) {
  const names = panesOf(layout);
  const { workspace_id: id } = await post(
    "/api/terminal/workspaces",
    { layout: layout.id, max_panes: names.length },
    signal,
  );
  const panes = names
    .map((pane, at) => ({ pane, target: targets[at] ?? "" }))
    .filter((one) => one.target !== "");
  if (panes.length > 0) await put(`/api/terminal/workspaces/${id}/panes`, { panes });
  await navigate(`/terminal/${id}?connect=all`, { instead: true });
  return h("div");
}
