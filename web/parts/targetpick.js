// Choosing machines for a run: one by one from the list, or by tags and types.

import { h, replace } from "../core/dom.js";
import { count } from "../core/format.js";
import { allTags, linkFilters, selectMachines } from "../core/machines.js";
import { byTraits } from "../core/runform.js";
import { visibleRows } from "../core/windowing.js";
import { enrolled, statusMark, TYPES, typeTag } from "./status.js";

const ROW = 36;

// `chosen` is a Set of ids that is changed here.
export function targetPicker({ machines, chosen, changed }) {
  const traits = { tags: [], types: [] };
  const search = h("input", {
    type: "search",
    placeholder: "Search machines…",
    "aria-label": "Search machines",
    oninput: () => showList(),
  });
  const chips = h("div.chips", { role: "group", "aria-label": "Choose by type and tag" });
  const inner = h("div.inner");
  const list = h(
    "div.picks.tall",
    { role: "group", "aria-label": "Machines", tabindex: "0", onscroll: () => window_() },
    inner,
  );
  let found = [];

  function chip(kind, value) {
    const set = traits[kind];
    const press = () => {
      if (set.includes(value)) set.splice(set.indexOf(value), 1);
      else set.push(value);
      chosen.clear();
      for (const one of byTraits(machines, traits)) chosen.add(one.id);
      show();
      changed();
    };
    const number = machines.filter((one) =>
      kind === "tags" ? one.tags.includes(value) : one.type === value,
    ).length;
    return h(
      "button",
      { type: "button", "aria-pressed": String(set.includes(value)), onclick: press },
      value,
      h("span.soft.number", count(number)),
    );
  }

  function showList() {
    found = selectMachines(machines, { ...linkFilters, q: search.value });
    inner.style.height = `${found.length * ROW}px`;
    list.style.maxHeight = `${Math.min(10, Math.max(2, found.length)) * ROW + 2}px`;
    window_();
  }

  // Only the rows in sight are there.
  function window_() {
    const { first, end } = visibleRows({
      count: found.length,
      rowHeight: ROW,
      top: -list.scrollTop,
      height: list.clientHeight || 10 * ROW,
    });
    replace(
      inner,
      found.slice(first, end).map((one, at) => row(one, first + at)),
    );
    if (found.length === 0) replace(inner, h("p.soft.pad", "No machine fits."));
  }

  function row(one, at) {
    const take = () => {
      if (box.checked) chosen.add(one.id);
      else chosen.delete(one.id);
      // `replace` keeps a row that looks the same, and does not see what is checked.
      label.dataset.on = String(box.checked);
      changed();
    };
    const box = h("input", { type: "checkbox", onchange: take });
    box.checked = chosen.has(one.id);
    const label = h(
      "label.target",
      { style: { top: `${at * ROW}px` }, data: { on: String(box.checked) } },
      box,
      statusMark(one.status),
      h("span.grow", one.name, one.name !== one.id && h("span.soft.small", ` ${one.id}`)),
      one.enrolled ? null : enrolled(one),
      typeTag(one.type),
    );
    return label;
  }

  const all = h(
    "button.plain",
    {
      type: "button",
      onclick: () => (found.forEach((one) => chosen.add(one.id)), window_(), changed()),
    },
    "All shown",
  );
  const none = h(
    "button.plain",
    {
      type: "button",
      onclick: () => (chosen.clear(), (traits.tags = []), (traits.types = []), show(), changed()),
    },
    "None",
  );

  function show() {
    replace(chips, [
      ...TYPES.map((one) => chip("types", one)),
      ...allTags(machines).map((one) => chip("tags", one)),
    ]);
    showList();
  }

  show();
  return { element: h("div.stack.tight", chips, h("div.pickhead", search, all, none), list), show };
}
