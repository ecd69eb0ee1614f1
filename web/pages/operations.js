// Operations, newest first: what runs and what ran, with filters that stand in the address.

import { get } from "../core/api.js";
import { dayEnd, dayStart } from "../core/days.js";
import { h, replace } from "../core/dom.js";
import { everySecond, keepFresh } from "../core/live.js";
import { isOpen, scriptNames, took, total, where } from "../core/operations.js";
import { readQuery, writeQuery } from "../core/query.js";
import { replaceQuery } from "../core/router.js";
import { may } from "../core/session.js";
import { emptyBox, failureBox } from "../parts/failure.js";
import { dayField } from "../parts/field.js";
import { pageHead, timeAt } from "../parts/head.js";
import { icon } from "../parts/icons.js";
import { failed } from "../parts/notes.js";
import { operationBar, outcomeWords } from "../parts/progress.js";
import { status, statusWord } from "../parts/status.js";
import { dataTable } from "../parts/table.js";

const defaults = { status: "", script: "", target: "", from: "", to: "" };
const STATUSES = ["running", "queued", "success", "failed", "partial", "stopped"];
const PAGE = 50;

export default async function operations({ visit, signal }) {
  let filters = readQuery(defaults, location.search);
  let catalogue = new Map();
  let first = [];
  // What was asked for below the first page, and what was pushed out of it since.
  let older = [];
  // What is asked for now; answers to something else come too late.
  let asked = 0;
  let cursor = null;
  const fields = filterFields();
  const list = h("div.stack");
  const more = h("button", { type: "button", hidden: true, onclick: loadOlder }, "Show older ones");
  const table = dataTable({
    label: "Operations",
    key: (one) => one.id,
    href: (one) => `/operations/${one.id}`,
    signal,
    columns: [
      { id: "status", label: "Status", cell: (one) => status(one.status) },
      { id: "id", label: "Operation", kind: "main", cell: (one) => one.id },
      { id: "scripts", label: "Scripts", kind: "slim", cell: (one) => scriptNames(one, catalogue) },
      {
        id: "targets",
        label: "On",
        kind: "wide slim",
        cell: (one) => h("span", { title: one.targets.slice(0, 50).join(", ") }, where(one)),
      },
      {
        id: "result",
        label: "Result",
        kind: "wide",
        cell: (one) =>
          isOpen(one) ? operationBar(one) : h("span.soft", outcomeWords(one.result, total(one))),
      },
      { id: "by", label: "By", kind: "widest", cell: (one) => one.triggered_by },
      { id: "started", label: "Started", kind: "wide", cell: (one) => timeAt(one.started) },
      { id: "took", label: "Took", kind: "number", cell: (one) => took(one) },
    ],
  });

  function filterFields() {
    const choice = (name, label) =>
      h("select", {
        "aria-label": label,
        data: { label },
        onchange: (event) => change({ [name]: event.target.value }),
      });
    const made = {
      status: choice("status", "Status"),
      script: choice("script", "Script"),
      target: choice("target", "Machine"),
    };
    const days = {
      from: dayField("From", (from) => change({ from })),
      to: dayField("Until", (to) => change({ to })),
    };
    const clear = h(
      "button.plain",
      { type: "button", onclick: () => change({ ...defaults }) },
      "Clear filters",
    );
    return {
      ...made,
      ...days,
      clear,
      element: h(
        "div.filters",
        { role: "search" },
        Object.values(made),
        Object.values(days),
        clear,
      ),
    };
  }

  function options(select, list_, value) {
    const known =
      value === "" || list_.some(([id]) => id === value) ? list_ : [...list_, [value, value]];
    replace(
      select,
      h("option", { value: "" }, `${select.dataset.label}: all`),
      known.map(([id, text]) => h("option", { value: id }, text)),
    );
    select.value = value;
  }

  function change(some) {
    filters = { ...filters, ...some };
    replaceQuery(writeQuery(defaults, filters));
    again();
  }
  visit.onQuery = (text) => ((filters = readQuery(defaults, text)), again());

  function again() {
    asked += 1;
    older = [];
    cursor = null;
    more.hidden = true;
    showFields();
    fresh();
  }

  let machines = [];
  function showFields() {
    options(
      fields.status,
      STATUSES.map((one) => [one, statusWord(one)]),
      filters.status,
    );
    options(
      fields.script,
      [...catalogue.values()].map((one) => [one.id, one.name]),
      filters.script,
    );
    options(
      fields.target,
      machines.map((one) => [one.id, one.id]),
      filters.target,
    );
    fields.from.input.value = filters.from;
    fields.to.input.value = filters.to;
    fields.clear.hidden = Object.keys(defaults).every((name) => filters[name] === "");
  }

  // Days are those of the user, both included.
  function query(more_) {
    const from = filters.from && dayStart(filters.from);
    const to = filters.to && dayEnd(filters.to);
    return { ...filters, from, to, limit: PAGE, ...more_ };
  }

  async function loadOlder() {
    const mine = asked;
    more.disabled = true;
    try {
      const page = await get("/api/operations", query({ cursor }), signal);
      if (mine !== asked) return;
      older = [...older, ...page.operations];
      cursor = page.next_cursor;
      show();
    } catch (error) {
      if (mine === asked && !signal.aborted) failed(error);
    } finally {
      more.disabled = false;
    }
  }

  // Those of the first page that `next` has no room for any more go on below it. There are no more
  // of them than new ones; others that are missing do not fit the filters any more.
  function pushOut(next) {
    if (older.length === 0) return;
    const has = (list, { id }) => list.some((one) => one.id === id);
    const added = next.filter((one) => !has(first, one) && !has(older, one)).length;
    const last = first.findLastIndex((one) => has(next, one));
    // So many new ones that there is a gap: from here on it is asked for again.
    if (last < 0) older = [];
    else older = [...first.slice(Math.max(last + 1, first.length - added)), ...older];
  }

  function show() {
    const known = new Set(first.map((one) => one.id));
    const all = [...first, ...older.filter((one) => !known.has(one.id))];
    more.hidden = cursor === null;
    if (all.length === 0) return replace(list, none(filters));
    if (table.element.parentNode !== list) list.replaceChildren(table.element);
    table.show(all);
  }

  const fresh = keepFresh({
    every: 3000,
    signal,
    async task() {
      const mine = asked;
      const page = await get("/api/operations", query({}), signal);
      if (mine !== asked) return;
      pushOut(page.operations);
      first = page.operations;
      if (older.length === 0) cursor = page.next_cursor;
      show();
    },
    failed: (error) =>
      first.length === 0 &&
      replace(
        list,
        failureBox(error, () => fresh()),
      ),
  });
  everySecond(signal, () => first.some(isOpen) && show());
  const named = Promise.all([get("/api/scripts", {}, signal), get("/api/links", {}, signal)]);
  const [scripts, links] = await named;
  catalogue = new Map(scripts.map((one) => [one.id, one]));
  machines = links;
  await fresh.first;
  showFields();
  show();
  const run =
    may("operator") &&
    h("a.button.primary", { href: "/operations/new" }, icon("play"), "Run scripts");
  return h(
    "div.page",
    pageHead({ title: "Operations", actions: [run] }),
    fields.element,
    list,
    h("div.row", more),
  );
}

function none(filters) {
  const isFiltered = Object.values(filters).some((one) => one !== "");
  if (isFiltered) return emptyBox({ title: "No operation fits these filters", symbol: "search" });
  return emptyBox({
    title: "Nothing has run yet",
    symbol: "operations",
    text: "An operation is one or more scripts on one or more machines.",
    action:
      may("operator") && h("a.button.primary", { href: "/operations/new" }, "Run the first one"),
  });
}
