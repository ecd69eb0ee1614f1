// The catalogue of scripts: what each does, what it takes, and a way to run it.

import { get } from "../core/api.js";
import { h } from "../core/dom.js";
import { duration, plural } from "../core/format.js";
import { readQuery, writeQuery } from "../core/query.js";
import { replaceQuery } from "../core/router.js";
import { finder } from "../core/search.js";
import { may } from "../core/session.js";
import { emptyBox } from "../parts/failure.js";
import { freshList } from "../parts/freshlist.js";
import { pageHead } from "../parts/head.js";
import { tags } from "../parts/status.js";
import { dataTable } from "../parts/table.js";

const defaults = { q: "" };

export default async function scripts({ visit, signal }) {
  let filters = readQuery(defaults, location.search);
  const search = h("input", {
    type: "search",
    value: filters.q,
    placeholder: "Search scripts…  ( / )",
    "aria-label": "Search scripts",
    oninput: () => change(search.value),
  });
  const tally = h("span.tally.number", { role: "status" });
  const table = dataTable({
    label: "Scripts",
    key: (one) => one.id,
    href: (one) => `/scripts/${encodeURIComponent(one.id)}`,
    signal,
    columns: [
      {
        id: "name",
        label: "Script",
        kind: "main",
        cell: (one) => [
          one.emoji && h("span.emoji", { "aria-hidden": "true" }, one.emoji, " "),
          one.name,
        ],
      },
      {
        id: "description",
        label: "What it does",
        kind: "wide",
        cell: (one) => h("span.soft", one.description),
      },
      {
        id: "flags",
        label: "Flags",
        kind: "wider slim",
        cell: (one) => h("span.mono.small", one.flags.join("  ")),
      },
      {
        id: "time",
        label: "Estimate",
        kind: "number",
        cell: (one) =>
          one.estimatedDuration === null ? "–" : duration(one.estimatedDuration * 1000),
      },
      { id: "tags", label: "Tags", kind: "wide", cell: (one) => tags(one.tags) },
      {
        id: "run",
        label: "",
        cell: (one) =>
          may("operator") &&
          h(
            "a",
            {
              href: `/operations/new?scripts=${encodeURIComponent(one.id)}`,
              "aria-label": `Run ${one.name}`,
            },
            "Run…",
          ),
      },
    ],
  });

  function change(q) {
    filters = { q };
    replaceQuery(writeQuery(defaults, filters));
    list.show();
  }
  visit.onQuery = (text) => (
    (filters = readQuery(defaults, text)),
    (search.value = filters.q),
    list.show()
  );

  function pick(all) {
    const fits = finder(filters.q);
    const found = all.filter((one) =>
      fits(one.id, one.name, one.description, ...one.flags, ...one.tags),
    );
    tally.textContent = plural(found.length, "script");
    return found;
  }

  const load = () => get("/api/scripts", {}, signal);
  const list = freshList({ every: 30_000, signal, table, load, pick, none });
  await list.fresh.first;
  return h(
    "div.page",
    pageHead({ title: "Scripts" }),
    h("div.filters", { role: "search" }, search, tally),
    list.element,
  );
}

function none(all) {
  if (all.length > 0) return emptyBox({ title: "No script fits this search", symbol: "search" });
  return emptyBox({
    title: "No scripts yet",
    symbol: "scripts",
    text: "Scripts are bash files in the Git repository, named in scripts.yaml. Add one, commit and push, then sync.",
    steps: [
      "scripts:",
      "  system-facts:",
      "    name: System facts",
      "    description: Kernel, memory and load",
      "    path: scripts/system-facts.sh",
    ].join("\n"),
    action: h("a.button.primary", { href: "/git" }, "To the repository"),
  });
}
