// Tables: columns, sorting, choosing of rows, keys; only the rows in sight are in the document.

import { h, onFrame, replace } from "../core/dom.js";
import { bindKeys } from "../core/keys.js";
import { visibleRows } from "../core/windowing.js";
import { navigate } from "../core/router.js";
import { icon } from "./icons.js";

// A table. Columns are `{id, label, cell(row), sort, kind, width}`, where kind is `wide` (left out
// on small screens; `wider` and `widest` also on larger ones), `number`, `slim`, `fill` (what is
// left), or `main` (the row's title). `key(row)` names a row, `href(row)` is
// where it leads. `chosen` is a Set of keys when rows can be chosen; `onChoose` hears of changes,
// `onSort(id, dir)` of wishes. Gives `{element, show(rows, sorting)}`.
export function dataTable({ label, columns, key, href, chosen, onChoose, onSort, signal }) {
  let rows = [];
  let sorting = {};
  let height = 40;
  let cursor = null;
  let measured = false;
  const made = new Map();

  const above = h("tr.gap", { "aria-hidden": "true" }, h("td", { colspan: columns.length + 1 }));
  const below = h("tr.gap", { "aria-hidden": "true" }, h("td", { colspan: columns.length + 1 }));
  const body = h("tbody", above, below);
  const all =
    chosen &&
    h("input", { type: "checkbox", "aria-label": "Choose all rows", onchange: chooseAll });
  const heads = columns.map((column) => heading(column));
  const head = h("thead", h("tr", all && h("th.choose", { scope: "col" }, all), heads));
  const table = h("table.data", { "aria-label": label }, head, body);
  const element = h("div.table", table);

  function heading(column) {
    const text = column.sort
      ? h(
          "button.sort",
          { type: "button", onclick: () => wish(column.id) },
          column.label,
          h("span.arrow"),
        )
      : column.label;
    return h("th", { scope: "col", class: column.kind ?? "", data: { column: column.id } }, text);
  }

  function wish(id) {
    const dir = sorting.sort === id && sorting.dir !== "desc" ? "desc" : "asc";
    onSort(id, dir);
  }

  function show(next, order = {}) {
    rows = next;
    sorting = order;
    columns.forEach((column, at) => {
      if (!column.sort) return;
      const mine = sorting.sort === column.id;
      heads[at].setAttribute(
        "aria-sort",
        mine ? (sorting.dir === "desc" ? "descending" : "ascending") : "none",
      );
      replace(
        heads[at].querySelector(".arrow"),
        mine ? icon(sorting.dir === "desc" ? "down" : "up") : null,
      );
    });
    table.setAttribute("aria-rowcount", String(rows.length + 1));
    draw(true);
  }

  // Puts the rows in sight into the document; `anew` also brings the ones that are there up to date.
  function draw(anew) {
    if (!table.isConnected) return requestAnimationFrame(() => table.isConnected && draw(true));
    const top = body.getBoundingClientRect().top;
    const { first, end } = visibleRows({
      count: rows.length,
      rowHeight: height,
      top,
      height: innerHeight,
    });
    const kept = new Set();
    let place = above.nextSibling;
    for (let at = first; at < end; at += 1) {
      const id = key(rows[at]);
      kept.add(id);
      const row = made.get(id) ?? makeRow(rows[at], id);
      if (anew || !made.has(id)) fillRow(row, rows[at]);
      made.set(id, row);
      row.setAttribute("aria-rowindex", String(at + 2));
      if (row === place) place = place.nextSibling;
      else body.insertBefore(row, place);
    }
    for (const [id, row] of made) if (!kept.has(id)) (row.remove(), made.delete(id));
    gap(above, first * height);
    gap(below, (rows.length - end) * height);
    if (all) tally();
    measure(end - first);
  }

  // The true height of a row, once there is one.
  function measure(shown) {
    const row = above.nextSibling;
    if (shown === 0 || row === below) return;
    const real = row.getBoundingClientRect().height;
    if (real > 0 && Math.abs(real - height) > 0.5) {
      height = real;
      if (!measured) draw(false);
      measured = true;
    }
  }

  function gap(row, pixels) {
    row.firstChild.style.height = `${pixels}px`;
    row.hidden = pixels === 0;
  }

  function makeRow(row, id) {
    const box =
      chosen &&
      h(
        "td.choose",
        h("input", {
          type: "checkbox",
          "aria-label": `Choose ${id}`,
          onclick: (event) => choose(event, id),
        }),
      );
    return h(
      "tr",
      { data: { key: id } },
      box,
      columns.map((column) => h("td", { class: column.kind ?? "" })),
    );
  }

  function fillRow(element_, row) {
    const cells = [...element_.children];
    if (chosen) {
      cells.shift().firstChild.checked = chosen.has(key(row));
      element_.classList.toggle("chosen", chosen.has(key(row)));
    }
    columns.forEach((column, at) => {
      const content = column.cell(row);
      const link =
        column.kind?.includes("main") && href ? h("a", { href: href(row) }, content) : content;
      replace(cells[at], link);
    });
  }

  let lastChosen = null;

  // A box; with shift all from the one before.
  function choose(event, id) {
    const ids = event.shiftKey && lastChosen ? between(lastChosen, id) : [id];
    for (const one of ids) event.target.checked ? chosen.add(one) : chosen.delete(one);
    lastChosen = id;
    draw(true);
    onChoose();
  }

  function between(from, to) {
    const ids = rows.map(key);
    const [a, b] = [ids.indexOf(from), ids.indexOf(to)].sort((x, y) => x - y);
    return a < 0 ? [to] : ids.slice(a, b + 1);
  }

  function chooseAll() {
    for (const row of rows) all.checked ? chosen.add(key(row)) : chosen.delete(key(row));
    draw(true);
    onChoose();
  }

  function tally() {
    const inside = rows.reduce((sum, row) => sum + (chosen.has(key(row)) ? 1 : 0), 0);
    all.checked = inside > 0 && inside === rows.length;
    all.indeterminate = inside > 0 && inside < rows.length;
  }

  // Moves to another row by key, and brings it into sight.
  function step(by) {
    if (rows.length === 0) return;
    const ids = rows.map(key);
    const focused = document.activeElement?.closest?.("tr[data-key]")?.dataset.key;
    const at = ids.indexOf(focused ?? cursor);
    const next = Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by));
    cursor = ids[next];
    const top = body.getBoundingClientRect().top + scrollY + next * height;
    if (top < scrollY + 120 || top > scrollY + innerHeight - 120)
      scrollTo(0, top - innerHeight / 2);
    draw(false);
    made.get(cursor)?.querySelector("a, button")?.focus();
  }

  const keys = [
    { keys: "j", label: "Next row", run: () => step(1) },
    { keys: "k", label: "Row before", run: () => step(-1) },
  ];
  if (chosen) {
    const toggle = () => made.get(cursor)?.querySelector("input")?.click();
    keys.push({ keys: "x", label: "Choose the row", run: toggle });
  }
  bindKeys(keys, signal);
  body.addEventListener("click", (event) => {
    if (!href || event.target.closest("a, button, input, label") || getSelection().toString())
      return;
    const link = event.target.closest("tr")?.querySelector("a");
    if (link) navigate(link.getAttribute("href"));
  });
  const redraw = onFrame(() => draw(false));
  addEventListener("scroll", redraw, { signal, passive: true });
  addEventListener("resize", redraw, { signal });
  if (href) table.classList.add("leads");
  return { element, show };
}
