// The audit log: who did what, from where, with what result; and whether nobody has changed it.

import { get, post } from "../core/api.js";
import { dayEnd, dayStart } from "../core/days.js";
import { h, replace } from "../core/dom.js";
import { count } from "../core/format.js";
import { readQuery, writeQuery } from "../core/query.js";
import { replaceQuery } from "../core/router.js";
import { emptyBox, failureBox } from "../parts/failure.js";
import { dayField } from "../parts/field.js";
import { pageHead, timeAt } from "../parts/head.js";
import { icon, mark } from "../parts/icons.js";
import { status } from "../parts/status.js";
import { dataTable } from "../parts/table.js";

const defaults = { actor: "", action: "", target: "", result: "", from: "", to: "", dir: "desc" };

export default async function audit({ visit, signal }) {
  let filters = readQuery(defaults, location.search);
  let rows = [];
  let cursor = null;
  const chain = h("div", { role: "status" });
  const list = h("div.stack");
  const more = h(
    "button",
    { type: "button", hidden: true, onclick: () => load(cursor) },
    "Show older ones",
  );
  const tally = h("span.tally.number", { role: "status" });
  const fields = {};
  for (const [name, label] of [
    ["actor", "Who"],
    ["action", "What"],
    ["target", "On"],
    ["result", "Result"],
  ]) {
    fields[name] = h("input", {
      type: "search",
      "aria-label": label,
      placeholder: label,
      onchange: () => change({ [name]: fields[name].value.trim() }),
    });
  }
  const days = [
    dayField("From", (from) => change({ from })),
    dayField("Until", (to) => change({ to })),
  ];
  const clear = h(
    "button.plain",
    { type: "button", onclick: () => change({ ...defaults }) },
    "Clear filters",
  );
  const table = dataTable({
    label: "Acts",
    key: (one) => one.id,
    signal,
    onSort: (_, dir) => change({ dir }),
    columns: [
      { id: "time", label: "Time", sort: true, cell: (one) => timeAt(one.time) },
      { id: "actor", label: "Who", cell: (one) => h("strong", one.actor) },
      { id: "action", label: "What", kind: "main", cell: (one) => h("code", one.action) },
      { id: "target", label: "On", cell: (one) => one.target ?? "" },
      {
        id: "result",
        label: "Result",
        cell: (one) => (one.result === "ok" ? status("ok") : status("denied", one.result)),
      },
      {
        id: "address",
        label: "From",
        kind: "wide",
        cell: (one) => h("span.mono", one.address ?? ""),
      },
      {
        id: "detail",
        label: "Detail",
        kind: "wider slim",
        cell: (one) =>
          one.detail !== null &&
          h(
            "span.mono.small.soft",
            { title: JSON.stringify(one.detail) },
            JSON.stringify(one.detail),
          ),
      },
    ],
  });

  function change(some) {
    filters = { ...filters, ...some };
    replaceQuery(writeQuery(defaults, filters));
    showFields();
    load();
  }
  visit.onQuery = (text) => ((filters = readQuery(defaults, text)), showFields(), load());

  function showFields() {
    for (const [name, input] of Object.entries(fields)) input.value = filters[name];
    days.forEach((one, at) => (one.input.value = [filters.from, filters.to][at]));
    clear.hidden = Object.keys(defaults).every((name) => filters[name] === defaults[name]);
  }

  function conditions() {
    const found = ["actor", "action", "target", "result"]
      .filter((name) => filters[name])
      .map((col) => ({ col, op: "eq", val: filters[col] }));
    if (filters.from) found.push({ col: "time", op: "gte", val: dayStart(filters.from) });
    if (filters.to) found.push({ col: "time", op: "lt", val: dayEnd(filters.to) });
    return found;
  }

  let asked = 0;

  // The first page, or the one behind a cursor.
  async function load(after = null) {
    const mine = ++asked;
    try {
      const body = {
        table: "tbl_audit",
        filters: conditions(),
        sort: [{ col: "time", dir: filters.dir }],
        page: { size: 100, ...(after && { cursor: after }) },
      };
      const answer = await post("/api/tables/query", body, signal);
      if (mine !== asked) return;
      rows = after ? [...rows, ...answer.rows] : answer.rows;
      cursor = answer.page.next_cursor;
      tally.textContent = `${count(answer.meta.total)} in all`;
      show();
    } catch (error) {
      if (!signal.aborted)
        replace(
          list,
          failureBox(error, () => load()),
        );
    }
  }

  function show() {
    more.hidden = cursor === null;
    if (rows.length === 0)
      return replace(list, emptyBox({ title: "No act fits these filters", symbol: "search" }));
    if (table.element.parentNode !== list) list.replaceChildren(table.element);
    table.show(rows, { sort: "time", dir: filters.dir });
  }

  async function verify(event) {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      const answer = await get("/api/audit/verify", {}, signal);
      replace(chain, verdict(answer));
    } catch (error) {
      replace(chain, failureBox(error));
    } finally {
      button.disabled = false;
    }
  }

  showFields();
  await load();
  const check = h("button", { type: "button", onclick: verify }, icon("shield"), "Check the chain");
  return h(
    "div.page",
    pageHead({ title: "Audit", actions: [check] }),
    chain,
    h("div.filters", { role: "search" }, Object.values(fields), days, clear, tally),
    list,
    h("div.row", more),
  );
}

function verdict({ intact, rows, broken_at: at }) {
  if (intact)
    return h(
      "div.box",
      h("span.status.ok", mark("ok")),
      h(
        "strong.grow",
        `The chain of ${count(rows)} acts is whole: none was changed, left out or added.`,
      ),
    );
  return h(
    "div.box.failure",
    h("span.status.fail", mark("fail")),
    h(
      "div.grow",
      h("strong", `The chain is broken at act ${at}`),
      h(
        "p",
        "From there on, somebody has changed the database outside of LinkOps, or a backup was put in its place.",
      ),
    ),
  );
}
