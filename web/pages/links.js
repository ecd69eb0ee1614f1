// The machines: as a table with filters that stand in the address, or as a map by jump host; to
// choose some of them and run scripts, open terminals or verify.

import { get, post } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { count, plural } from "../core/format.js";
import { keepFresh } from "../core/live.js";
import { allTags, linkFilters, selectMachines } from "../core/machines.js";
import { readQuery, writeQuery } from "../core/query.js";
import { replaceQuery } from "../core/router.js";
import { may } from "../core/session.js";
import { emptyBox, failureBox } from "../parts/failure.js";
import { pageHead, timeAgo } from "../parts/head.js";
import { icon } from "../parts/icons.js";
import { done, failed } from "../parts/notes.js";
import { sparkline } from "../parts/spark.js";
import { enrolled, status, TYPES, tags, typeTag } from "../parts/status.js";
import { dataTable } from "../parts/table.js";
import { topology } from "../parts/topology.js";

export default async function links({ visit, signal }) {
  let machines = null;
  let health = {};
  let filters = readQuery(linkFilters, location.search);
  const chosen = new Set();

  const verifyAll =
    may("operator") &&
    h("button", { type: "button", onclick: () => verify() }, icon("shield"), "Verify all");
  const head = pageHead({ title: "Links", actions: [views(), verifyAll] });
  const form = filterForm();
  const table = dataTable({
    label: "Machines",
    columns: columns(),
    key: (one) => one.id,
    href: (one) => `/links/${encodeURIComponent(one.id)}`,
    chosen: may("operator") ? chosen : null,
    onChoose: showChosen,
    onSort: (sort, dir) => change({ sort, dir }),
    signal,
  });
  const list = h("div.stack");
  const bar = h("div.chosenbar", { role: "region", "aria-label": "Chosen machines", hidden: true });

  function columns() {
    return [
      { id: "status", label: "Status", sort: true, cell: (one) => status(one.status) },
      {
        id: "name",
        label: "Name",
        sort: true,
        kind: "main fill",
        cell: (one) =>
          one.name === one.id ? one.id : [one.name, " ", h("span.soft.small.aside", one.id)],
      },
      { id: "type", label: "Type", sort: true, kind: "wide", cell: (one) => typeTag(one.type) },
      {
        id: "host",
        label: "Address",
        sort: true,
        kind: "widest",
        cell: (one) => h("span.mono", `${one.ssh.user}@${one.ssh.host}:${one.ssh.port}`),
      },
      {
        id: "proxyJump",
        label: "Through",
        sort: true,
        kind: "wider",
        cell: (one) => one.ssh.proxyJump ?? "",
      },
      { id: "tags", label: "Tags", kind: "wide", cell: (one) => tags(one.tags) },
      { id: "enrolled", label: "Enrolled", sort: true, cell: (one) => enrolled(one) },
      {
        id: "latency",
        label: "Latency",
        sort: true,
        kind: "number",
        cell: (one) =>
          h(
            "span.latency",
            health[one.id]?.length > 1 && sparkline(health[one.id], one.id),
            h("span.ms", one.health.latency === null ? "–" : `${count(one.health.latency)} ms`),
          ),
      },
      {
        id: "lastSeen",
        label: "Last seen",
        sort: true,
        kind: "widest",
        cell: (one) => timeAgo(one.health.lastSeen),
      },
    ];
  }

  function views() {
    const one = (view, label, name) =>
      h(
        "button",
        { type: "button", data: { view }, onclick: () => change({ view }) },
        icon(name),
        label,
      );
    return h(
      "div.segments",
      { role: "group", "aria-label": "View" },
      one("table", "Table", "list"),
      one("map", "Map", "map"),
    );
  }

  function filterForm() {
    const search = h("input", {
      type: "search",
      placeholder: "Search name, address, tag…  ( / )",
      "aria-label": "Search machines",
      value: filters.q,
      oninput: () => change({ q: search.value }),
    });
    const choice = (name, label, options) => {
      const select = h("select", {
        "aria-label": label,
        onchange: () => change({ [name]: select.value }),
      });
      return Object.assign(select, {
        fill: (list) => fill(select, label, list, filters[name]),
        initial: options,
      });
    };
    const fields = {
      type: choice(
        "type",
        "Type",
        TYPES.map((one) => [one, one]),
      ),
      status: choice("status", "Status", [
        ["online", "Online"],
        ["offline", "Offline"],
        ["unknown", "Not checked"],
      ]),
      enrolled: choice("enrolled", "Enrolment", [
        ["true", "Enrolled"],
        ["false", "Not enrolled"],
      ]),
      tag: choice("tag", "Tag", []),
    };
    const clear = h(
      "button.plain",
      {
        type: "button",
        onclick: () => change({ q: "", type: "", status: "", enrolled: "", tag: "" }),
      },
      "Clear filters",
    );
    const tally = h("span.tally.number", { role: "status" });
    const element = h(
      "div.filters",
      { role: "search" },
      search,
      Object.values(fields),
      clear,
      tally,
    );
    return { element, search, fields, clear, tally };
  }

  function fill(select, label, options, value) {
    const known =
      options.some(([id]) => id === value) || value === "" ? options : [...options, [value, value]];
    replace(
      select,
      h("option", { value: "" }, `${label}: all`),
      known.map(([id, text]) => h("option", { value: id }, text)),
    );
    select.value = value;
  }

  // Takes over other filters, in the address too.
  function change(some) {
    filters = { ...filters, ...some };
    replaceQuery(writeQuery(linkFilters, filters));
    show();
  }

  visit.onQuery = (search) => {
    filters = readQuery(linkFilters, search);
    show();
  };

  function show() {
    if (machines === null) return;
    if (document.activeElement !== form.search) form.search.value = filters.q;
    for (const [name, select] of Object.entries(form.fields)) {
      select.fill(name === "tag" ? allTags(machines).map((one) => [one, one]) : select.initial);
    }
    for (const button of head.querySelectorAll("[data-view]"))
      button.setAttribute("aria-pressed", String(button.dataset.view === filters.view));
    const found = selectMachines(machines, filters);
    const isFiltered = found.length !== machines.length;
    form.clear.hidden = !["q", "type", "status", "enrolled", "tag"].some((name) => filters[name]);
    form.tally.textContent = isFiltered
      ? `${count(found.length)} of ${plural(machines.length, "machine")}`
      : plural(machines.length, "machine");
    form.element.hidden = machines.length === 0;
    if (machines.length === 0) replace(list, none());
    else if (found.length === 0)
      replace(list, emptyBox({ title: "No machine fits these filters", symbol: "search" }));
    else if (filters.view === "map") replace(list, topology(found, machines));
    else {
      if (table.element.parentNode !== list) list.replaceChildren(table.element);
      table.show(found, filters);
    }
    showChosen();
  }

  function showChosen() {
    for (const id of chosen) if (!machines.some((one) => one.id === id)) chosen.delete(id);
    bar.hidden = chosen.size === 0;
    const ids = [...chosen].sort().join(",");
    replace(
      bar,
      h("strong", `${plural(chosen.size, "machine")} chosen`),
      h("span.grow"),
      h(
        "a.button.primary",
        { href: `/operations/new?targets=${encodeURIComponent(ids)}` },
        icon("play"),
        "Run scripts",
      ),
      chosen.size <= 4 &&
        h(
          "a.button",
          { href: `/terminal?targets=${encodeURIComponent(ids)}` },
          icon("terminal"),
          "Open terminals",
        ),
      h("button", { type: "button", onclick: () => verify([...chosen]) }, icon("shield"), "Verify"),
      h("button.plain", { type: "button", onclick: () => (chosen.clear(), show()) }, "Clear"),
    );
  }

  // Checks client ids; with no list those of all machines.
  async function verify(targets) {
    if (verifyAll) verifyAll.disabled = true;
    try {
      const results = Object.values(
        await post("/api/links/verify", targets ? { targets } : {}, signal),
      );
      const good = results.filter((one) => one.enrolled).length;
      done(
        `Verified ${plural(results.length, "machine")}: ${good} enrolled, ${results.length - good} not.`,
      );
      await fresh();
    } catch (error) {
      failed(error);
    } finally {
      if (verifyAll) verifyAll.disabled = false;
    }
  }

  const fresh = keepFresh({
    every: 10_000,
    signal,
    async task() {
      machines = await get("/api/links", {}, signal);
      show();
      health = await get("/api/health/links", { points: 24 }, signal).catch(() => ({}));
      if (filters.view === "table") show();
    },
    failed: (error) =>
      machines === null &&
      replace(
        list,
        failureBox(error, () => fresh()),
      ),
  });

  return h("div.page", head, form.element, list, bar);
}

// The inventory is empty: the exact next step.
function none() {
  return emptyBox({
    title: "No machines yet",
    symbol: "links",
    text: "Machines come from links.yaml in the Git repository. Add one, commit and push, then sync.",
    steps: [
      "links:",
      "  web-01:",
      "    type: VM",
      "    host: 10.0.0.11",
      "    port: 22",
      "    user: ops",
      "    enrollment:",
      "      clientId: LINKOPS-9a1d4e7b-0c26-4f58-8e3a-6b5c7d9f1e20",
    ].join("\n"),
    action: h("a.button.primary", { href: "/git" }, "To the repository"),
  });
}
