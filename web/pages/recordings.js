// Recordings of terminals: who was where, when and for how long.

import { get } from "../core/api.js";
import { h } from "../core/dom.js";
import { bytes, duration } from "../core/format.js";
import { may } from "../core/session.js";
import { emptyBox } from "../parts/failure.js";
import { freshList, removeAsked } from "../parts/freshlist.js";
import { pageHead, timeAt } from "../parts/head.js";
import { dataTable } from "../parts/table.js";

export default async function recordings({ signal }) {
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

  const drop = (one) =>
    removeAsked({
      title: "Delete this recording?",
      text: `What ${one.actor} did cannot be looked at any more.`,
      named: [one.target],
      act: "Delete",
      path: `/api/recordings/${encodeURIComponent(one.id)}`,
      fresh: list.fresh,
    });

  const load = () => get("/api/recordings", {}, signal);
  const list = freshList({ every: 10_000, signal, table, load, none });
  await list.fresh.first;
  return h(
    "div.page",
    pageHead({ title: "Recordings", crumb: { href: "/terminal", label: "Terminal" } }),
    list.element,
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
