// Panes in rows and columns, with edges between them that can be dragged, or moved with the arrow
// keys.

import { h } from "../core/dom.js";
import { moveEdge } from "../core/layouts.js";

const STEP = 0.03;

// `panes` are elements, row by row. The shares are kept for the browser under `name`.
export function splitGrid({ name, columns, rows, panes }) {
  const key = `linkops.split.${name}`;
  const shares = restore(key, columns, rows);
  const element = h("div.panes");

  function lay() {
    const track = (list) => list.map((one) => `minmax(0, ${one}fr)`).join(" var(--edge-width) ");
    element.style.gridTemplateColumns = track(shares.columns);
    element.style.gridTemplateRows = track(shares.rows);
    for (const edge of element.querySelectorAll(".edge")) {
      const { axis, at } = edge.dataset;
      const until = shares[axis].slice(0, Number(at) + 1).reduce((a, b) => a + b, 0);
      edge.setAttribute("aria-valuenow", String(Math.round(100 * until)));
    }
  }

  function move(axis, at, by) {
    shares[axis] = moveEdge(shares[axis], at, by);
    localStorage.setItem(key, JSON.stringify(shares));
    lay();
  }

  function edge(axis, at) {
    const isColumn = axis === "columns";
    const keys = isColumn
      ? { ArrowLeft: -STEP, ArrowRight: STEP }
      : { ArrowUp: -STEP, ArrowDown: STEP };
    const drag = (event) => {
      const size = isColumn ? element.clientWidth : element.clientHeight;
      move(axis, at, (isColumn ? event.movementX : event.movementY) / size);
    };
    const line = h(`div.edge.${axis}`, {
      role: "separator",
      tabindex: "0",
      "aria-label": isColumn ? "Edge between columns" : "Edge between rows",
      "aria-orientation": isColumn ? "vertical" : "horizontal",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      data: { axis, at: String(at) },
      onpointerdown: (event) => (
        line.setPointerCapture(event.pointerId),
        line.addEventListener("pointermove", drag),
        event.preventDefault()
      ),
      onpointerup: () => line.removeEventListener("pointermove", drag),
      onpointercancel: () => line.removeEventListener("pointermove", drag),
      ondblclick: () => ((shares[axis] = even(shares[axis].length)), move(axis, at, 0)),
      onkeydown: (event) =>
        keys[event.key] && (event.preventDefault(), move(axis, at, keys[event.key])),
    });
    if (isColumn) Object.assign(line.style, { gridColumn: String(2 * at + 2), gridRow: "1 / -1" });
    else Object.assign(line.style, { gridRow: String(2 * at + 2), gridColumn: "1 / -1" });
    return line;
  }

  panes.forEach((pane, at) => {
    pane.style.gridColumn = String(2 * (at % columns) + 1);
    pane.style.gridRow = String(2 * Math.floor(at / columns) + 1);
  });
  element.append(...panes);
  for (let at = 0; at < columns - 1; at += 1) element.append(edge("columns", at));
  for (let at = 0; at < rows - 1; at += 1) element.append(edge("rows", at));
  lay();
  return element;
}

const even = (count) => Array.from({ length: count }, () => 1 / count);

function restore(key, columns, rows) {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? "null");
    const fits =
      kept?.columns?.length === columns &&
      kept.rows?.length === rows &&
      [...kept.columns, ...kept.rows].every((one) => one > 0);
    if (fits) return kept;
  } catch {
    // What is kept there is not ours.
  }
  return { columns: even(columns), rows: even(rows) };
}
