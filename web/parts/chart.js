// The latencies of a machine over time, drawn by uPlot: a line where it answered, marks where not.

import uPlot from "uplot";
import { h } from "../core/dom.js";
import { moment, pad } from "../core/format.js";
import { whenLeft } from "../core/live.js";
import { loadStyle } from "./style.js";

const css = "asset:uplot.css";
const HEIGHT = 160;

// Gives `{element, show(checks)}`; checks are `{at, reachable, latency, error}`, newest last.
export async function latencyChart(signal) {
  await loadStyle(css);
  const place = h("div.chart");
  const said = h("div.row.small.soft.chart-said", { "aria-hidden": "true" });
  const element = h("div", { role: "img" }, place, said);
  let checks = [];
  let plot = null;

  function draw() {
    plot?.destroy();
    plot = null;
    if (place.clientWidth === 0 || checks.length < 2) return;
    plot = new uPlot(
      options(place.clientWidth, said, () => checks),
      data(checks),
      place,
    );
  }

  function show(next) {
    const same = next.length === checks.length && next.at(-1)?.at === checks.at(-1)?.at;
    checks = next;
    element.setAttribute("aria-label", words(checks));
    if (same && plot) return;
    if (plot) plot.setData(data(checks));
    else draw();
  }

  const observer = new ResizeObserver(() =>
    plot === null || plot.width !== place.clientWidth ? draw() : undefined,
  );
  observer.observe(place);
  document.addEventListener("themechange", draw, { signal });
  whenLeft(signal, () => (observer.disconnect(), plot?.destroy()));
  return { element, show };
}

const answered = (one) => one.reachable && one.latency !== null;

function data(checks) {
  return [
    checks.map((one) => one.at / 1000),
    checks.map((one) => (answered(one) ? one.latency : null)),
    checks.map((one) => (answered(one) ? null : 0)),
  ];
}

function options(width, said, checks) {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const font = `12px ${colour("--font")}`;
  const axis = {
    stroke: colour("--text-soft"),
    font,
    grid: { stroke: colour("--edge"), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { y: { range: (_, __, most) => [0, Math.max(10, (most ?? 0) * 1.15)] } },
    axes: [
      { ...axis, space: 90, values: times },
      { ...axis, size: 52, values: (_, ticks) => ticks.map((one) => `${one} ms`) },
    ],
    series: [
      {},
      { stroke: colour("--accent"), width: 1.5, points: { show: false }, spanGaps: false },
      {
        stroke: colour("--fail"),
        width: 0,
        points: { show: true, size: 7, fill: colour("--fail"), width: 0 },
      },
    ],
    hooks: { setCursor: [(plot) => tell(said, checks()[plot.cursor.idx])] },
  };
}

// Hours and minutes; with the day where the axis has more than one.
function times(plot, ticks) {
  const { min, max } = plot.scales.x;
  return ticks.map((tick) => {
    const at = new Date(tick * 1000);
    const clock = `${pad(at.getHours())}:${pad(at.getMinutes())}${max - min < 300 ? `:${pad(at.getSeconds())}` : ""}`;
    return max - min > 36 * 3600
      ? `${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${clock}`
      : clock;
  });
}

function tell(said, one) {
  said.textContent = one
    ? `${moment(one.at)}: ${answered(one) ? `${one.latency} ms` : (one.error ?? "no answer")}`
    : "\u00a0";
}

function words(checks) {
  const known = checks.filter(answered).map((one) => one.latency);
  if (known.length === 0) return `Latency: no answer in ${checks.length} checks`;
  const range = `${Math.min(...known)} to ${Math.max(...known)} ms`;
  return `Latency: ${known.length} answers, ${range}; ${checks.length - known.length} without an answer`;
}
