// Choosing scripts for a run: up to ten in their order, each with its flags.

import { h, newId, replace } from "../core/dom.js";
import { duration } from "../core/format.js";
import { MOST_SCRIPTS, splitFlag } from "../core/runform.js";
import { finder } from "../core/search.js";
import { icon } from "./icons.js";

// `chosen` is a list of ids and `flags` a map id → (declared flag → value); both are changed here.
export function scriptPicker({ catalogue, chosen, flags, changed }) {
  const search = h("input", {
    type: "search",
    placeholder: "Search scripts…",
    "aria-label": "Search scripts",
    oninput: () => showList(),
  });
  const list = h("ul.picks", { "aria-label": "Scripts" });
  const order = h("ol.order", { "aria-label": "Chosen scripts, in their order" });

  function toggle(id, on) {
    if (on && !chosen.includes(id)) chosen.push(id);
    if (!on) chosen.splice(chosen.indexOf(id), 1);
    show();
    changed();
  }

  function showList() {
    const fits = finder(search.value);
    const found = [...catalogue.values()].filter((one) =>
      fits(one.id, one.name, one.description, ...one.tags),
    );
    replace(list, found.length ? found.map(pick) : h("li.soft.pad", "No script fits."));
  }

  function pick(one) {
    const on = chosen.includes(one.id);
    const full = !on && chosen.length >= MOST_SCRIPTS;
    const box = h("input", {
      type: "checkbox",
      disabled: full,
      onchange: (event) => toggle(one.id, event.target.checked),
    });
    box.checked = on;
    const time =
      one.estimatedDuration === null
        ? ""
        : `about ${duration(one.estimatedDuration * 1000)}`.replace(".0 s", " s");
    return h(
      "li",
      { class: on ? "chosen" : "" },
      h(
        "label",
        box,
        h(
          "span.grow",
          h("strong", one.emoji && h("span", { "aria-hidden": "true" }, one.emoji, " "), one.name),
          h("span.soft.small", one.description),
        ),
        h("span.soft.small.time", time),
      ),
    );
  }

  function showOrder() {
    order.hidden = chosen.length === 0;
    order.replaceChildren(...chosen.map(step));
  }

  function step(id, at) {
    const one = catalogue.get(id);
    const name = one?.name ?? id;
    const shift = (by, label, drawing) =>
      h(
        "button.plain.square",
        {
          type: "button",
          "aria-label": `${label}: ${name}`,
          disabled: at + by < 0 || at + by >= chosen.length,
          onclick: () => move(at, by),
        },
        icon(drawing),
      );
    const leave = h(
      "button.plain.square",
      { type: "button", "aria-label": `Leave out ${name}`, onclick: () => toggle(id, false) },
      icon("close"),
    );
    return h(
      "li",
      h(
        "div.row",
        h("strong.grow", `${at + 1}. ${name}`),
        chosen.length > 1 && [shift(-1, "Earlier", "up"), shift(1, "Later", "down")],
        leave,
      ),
      (one?.flags ?? []).map((flag) => flagField(id, flag)),
    );
  }

  function move(at, by) {
    const [one] = chosen.splice(at, 1);
    chosen.splice(at + by, 0, one);
    showOrder();
    changed();
  }

  function flagField(id, declared) {
    const mine = flags.get(id) ?? flags.set(id, new Map()).get(id);
    const { name, value } = splitFlag(declared);
    const box = h("input", { type: "checkbox", id: newId("flag") });
    const text =
      value !== null &&
      h("input.mono", { type: "text", "aria-label": `Value of ${name}`, spellcheck: "false" });
    const take = () => {
      if (box.checked) mine.set(declared, text ? text.value : null);
      else mine.delete(declared);
      changed();
    };
    box.checked = mine.has(declared);
    box.onchange = take;
    if (text) {
      text.value = mine.get(declared) ?? value;
      text.oninput = () => ((box.checked = true), take());
    }
    return h("div.flag", h("label.choice", box, h("code", name)), text);
  }

  function show() {
    showList();
    showOrder();
  }

  show();
  return { element: h("div.stack.tight", search, list, order), show };
}
