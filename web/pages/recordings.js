// Recordings of terminals: who was where, when and for how long.

import { get, remove } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { bytes, duration } from "../core/format.js";
import { keepFresh } from "../core/live.js";
import { may } from "../core/session.js";
import { confirmAct } from "../parts/dialog.js";
import { emptyBox, failureBox } from "../parts/failure.js";
import { pageHead, timeAt } from "../parts/head.js";
import { failed } from "../parts/notes.js";
import { dataTable } from "../parts/table.js";

export default async function recordings({ signal }) {
  let rows = null;
  const list = h("div.stack");
  const table = dataTable({
    label: "Recordings",
    key: (one) => one.id,
    href: (one) => `/recordings/${encodeURIComponent(one.id)}`,
    signal,
    columns: [
      { id: "target", label: "Machine", kind: "main", cell: (one) => one.target },
      { id: "actor", label: "By", cell: (one) => one.actor },
      { id: "started", label: "Started", cell: (one) => timeAt(one.started) },
      {
        id: "duration",
        label: "Lasted",
        kind: "number",
        cell: (one) => (one.ended === null ? "still open" : duration(one.duration)),
      },
      { id: "bytes", label: "Size", kind: "number wide", cell: (one) => bytes(one.bytes) },
      { id: "pane", label: "Pane", kind: "wide", cell: (one) => one.pane },
      {
        id: "act",
        label: "",
        cell: (one) =>
          may("admin") &&
          h(
            "button.link",
            {
              type: "button",
              "aria-label": `Delete the recording of ${one.target}`,
              onclick: () => drop(one),
            },
            "Delete…",
          ),
      },
    ],
  });

  async function drop(one) {
    if (
      !(await confirmAct({
        title: "Delete this recording?",
        text: `What ${one.actor} did cannot be looked at any more.`,
        named: [one.target],
        act: "Delete",
      }))
    )
      return;
    try {
      await remove(`/api/recordings/${encodeURIComponent(one.id)}`);
    } catch (error) {
      failed(error);
    }
    fresh();
  }

  const fresh = keepFresh({
    every: 10_000,
    signal,
    async task() {
      rows = await get("/api/recordings", {}, signal);
      if (rows.length === 0) return replace(list, none());
      if (table.element.parentNode !== list) list.replaceChildren(table.element);
      table.show(rows);
    },
    failed: (error) =>
      rows === null &&
      replace(
        list,
        failureBox(error, () => fresh()),
      ),
  });
  await fresh.first;
  return h(
    "div.page",
    pageHead({ title: "Recordings", crumb: { href: "/terminal", label: "Terminal" } }),
    list,
  );
}

function none() {
  return emptyBox({
    title: "Nothing was recorded yet",
    symbol: "film",
    text: "Terminals are recorded when the configuration of linkopsd says so. What was typed is kept with record_input only.",
    steps: "[terminal]\nrecording = on",
  });
}
