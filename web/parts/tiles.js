// The grid of machines of an operation: one tile each, with its state, progress and time; only the
// tiles in sight are in the document, so a thousand of them cost as much as fifty.

import { h, onFrame, reconcile, replace } from "../core/dom.js";
import { duration } from "../core/format.js";
import { progressOf, stateOf, timeOf } from "../core/watch.js";
import { visibleRows } from "../core/windowing.js";
import { statusKind, statusMark, statusWord } from "./status.js";

const HEIGHT = 44;
const WIDTH = 190;
const GAP = 6;

// `choose(id)` hears which one was taken. Gives `{element, show(targets, chosen, estimates)}`.
export function tileGrid({ label, choose }) {
  const inner = h("div.inner");
  const element = h(
    "div.tilegrid",
    {
      role: "listbox",
      "aria-label": label,
      tabindex: "0",
      onkeydown: move,
      onscroll: () => redraw(),
    },
    inner,
  );
  let targets = [];
  let chosen = null;
  let estimates = new Map();

  const columns = () => Math.max(1, Math.floor((element.clientWidth + GAP) / (WIDTH + GAP)));

  function show(list, id, known) {
    targets = list;
    estimates = known;
    if (id !== chosen) {
      chosen = id;
      reveal();
    }
    draw();
  }

  function draw() {
    if (!element.isConnected) return;
    const width = columns();
    const lines = Math.ceil(targets.length / width);
    inner.style.height = `${lines * (HEIGHT + GAP)}px`;
    const { first, end } = visibleRows({
      count: lines,
      rowHeight: HEIGHT + GAP,
      top: -element.scrollTop,
      height: element.clientHeight,
      spare: 2,
    });
    const seen = targets
      .slice(first * width, end * width)
      .map((one, at) => ({ one, at: first * width + at }));
    reconcile(inner, seen, {
      key: ({ one }) => one.id,
      make,
      update: (tile, { one, at }) => fill(tile, one, at, width),
    });
    element.setAttribute(
      "aria-activedescendant",
      seen.some(({ one }) => one.id === chosen) ? `tile-${chosen}` : "",
    );
  }

  function make({ one }) {
    return h(
      "div.mtile",
      { id: `tile-${one.id}`, role: "option", onclick: () => choose(one.id) },
      h("span.mark-place"),
      h("span.name", one.id),
      h("span.time.number"),
      h("span.bar", { "aria-hidden": "true" }, h("span")),
    );
  }

  function fill(tile, one, at, width) {
    const state = stateOf(one);
    const share = progressOf(one, estimates);
    const time = timeOf(one);
    const [mark, , clock, bar] = tile.children;
    tile.style.width = `calc((100% - ${(width - 1) * GAP}px) / ${width})`;
    tile.style.left = "0";
    tile.style.transform = `translate(calc(${at % width} * (100% + ${GAP}px)), ${Math.floor(at / width) * (HEIGHT + GAP)}px)`;
    if (tile.dataset.state !== state) {
      tile.dataset.state = state;
      replace(mark, statusMark(state));
    }
    tile.setAttribute("aria-selected", String(one.id === chosen));
    tile.setAttribute("aria-setsize", String(targets.length));
    tile.setAttribute("aria-posinset", String(at + 1));
    replace(clock, time === null ? "" : duration(time));
    bar.className = `bar ${statusKind(state)}`;
    bar.firstChild.style.setProperty("--to", `${100 * (share ?? 0)}%`);
    tile.title = `${one.id}: ${statusWord(state)}`;
  }

  function move(event) {
    const width = columns();
    const at = targets.findIndex((one) => one.id === chosen);
    const steps = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + width,
      ArrowUp: at - width,
      Home: 0,
      End: targets.length - 1,
    };
    const next = targets[Math.max(0, Math.min(targets.length - 1, steps[event.key] ?? -1))];
    if (steps[event.key] === undefined || !next) return;
    event.preventDefault();
    choose(next.id);
  }

  // Brings the chosen tile into sight.
  function reveal() {
    const at = targets.findIndex((one) => one.id === chosen);
    if (at < 0 || !element.isConnected) return;
    const top = Math.floor(at / columns()) * (HEIGHT + GAP);
    if (top < element.scrollTop || top + HEIGHT > element.scrollTop + element.clientHeight) {
      element.scrollTop = top - element.clientHeight / 2;
    }
  }

  const redraw = onFrame(draw);
  new ResizeObserver(redraw).observe(element);
  return { element, show };
}
