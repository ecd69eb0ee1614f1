// A line of latencies, small enough for a row of a table: gaps and marks where nobody answered.

import { svg } from "../core/dom.js";

const WIDTH = 112;
const HEIGHT = 24;

// Points are `{at, reachable, latency}`, newest last. The scale is the row's own, from zero.
export function sparkline(points, label) {
  const known = points
    .filter((one) => one.reachable && one.latency !== null)
    .map((one) => one.latency);
  const most = Math.max(10, ...known) * 1.15;
  const step = points.length > 1 ? (WIDTH - 4) / (points.length - 1) : 0;
  const x = (at) => (2 + at * step).toFixed(1);
  const y = (latency) => (HEIGHT - 3 - (latency / most) * (HEIGHT - 6)).toFixed(1);
  let path = "";
  let isOn = false;
  const gone = [];
  points.forEach((one, at) => {
    if (one.reachable && one.latency !== null) {
      path += `${isOn ? "L" : "M"}${x(at)} ${y(one.latency)}`;
      isOn = true;
    } else {
      gone.push(svg("rect.gone", { x: Number(x(at)) - 1.5, y: HEIGHT - 6, width: 3, height: 4 }));
      isOn = false;
    }
  });
  const text = words(points, known, label);
  return svg(
    "svg.spark",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": text },
    svg("title", text),
    svg("path.line", { d: path || "M0 0" }),
    gone,
  );
}

function words(points, known, label) {
  if (known.length === 0) return `${label}: no answer in ${points.length} checks`;
  const failed = points.length - known.length;
  const range = `${Math.min(...known)} to ${Math.max(...known)} ms`;
  return `${label}: ${range} in ${points.length} checks${failed ? `, ${failed} without an answer` : ""}`;
}
