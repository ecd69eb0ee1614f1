// The view of an output: only the rows in sight are in the document, in colours, wrapped or not;
// it follows what is new, and finds texts.

import { h, onFrame, replace } from "../core/dom.js";
import { readLine, sliceSpans } from "../core/ansi.js";
import { count } from "../core/format.js";
import { contentHeight, rowAt, scrollFor, visibleRows } from "../core/windowing.js";
import { wrapMap } from "../core/wrapping.js";

const MOST_FOUND = 10_000;

// Gives `{element, show(output), update(), follow(on), wrap(on), find(text), step(by), toLine(n)}`;
// `changed` hears of following and of what was found.
export function logView({ label, changed = () => {} }) {
  let output = null;
  let rowHeight = 18;
  let columns = 80;
  let follows = true;
  let before = 0;
  let wraps = false;
  let map = null;
  const finding = { text: "", lines: [], at: -1, next: 0, turn: 0, isBusy: false };

  const rows = h("div.rows");
  const inner = h("div.inner", rows);
  const probe = h("span.probe", { "aria-hidden": "true" }, "0".repeat(100));
  const element = h(
    "div.log",
    { tabindex: "0", role: "region", "aria-label": label },
    inner,
    probe,
  );

  const total = () => (output === null ? 0 : wraps ? map.rows : output.count);
  const view = () => ({ count: total(), rowHeight, viewHeight: element.clientHeight });

  function measure() {
    const box = probe.getBoundingClientRect();
    if (box.height > 0) rowHeight = box.height;
    const character = box.width / 100 || 8;
    const wide = Math.max(
      20,
      Math.floor((element.clientWidth - gutter() * character - 20) / character),
    );
    if (wide !== columns) {
      columns = wide;
      if (wraps) map = wrapMap(output, columns);
    }
  }

  const gutter = () => String(output?.count ?? 1).length + 2;

  function show(next) {
    if (next === output) return update();
    output = next;
    Object.assign(finding, { lines: [], at: -1, next: 0, turn: finding.turn + 1 });
    map = wraps && output ? wrapMap(output, columns) : null;
    rows.replaceChildren();
    follows = true;
    before = 0;
    tell();
    update();
    if (finding.text) search();
  }

  // Brings the view in line with what has come.
  function update() {
    if (!element.isConnected || output === null) return;
    measure();
    if (wraps) map.update(output);
    inner.style.height = `${contentHeight(total(), rowHeight, element.clientHeight)}px`;
    element.style.setProperty("--gutter", `${gutter()}ch`);
    if (follows) element.scrollTop = element.scrollHeight;
    draw();
    if (finding.text && finding.next < output.ended) search();
  }

  function draw() {
    if (output === null) return rows.replaceChildren();
    const place = rowAt(element.scrollTop, view());
    const { first, end } = visibleRows({
      count: total(),
      rowHeight,
      top: -place * rowHeight,
      height: element.clientHeight,
      spare: 4,
    });
    const made = [];
    for (let row = first; row < end; row += 1) made.push(makeRow(row));
    rows.style.transform = `translateY(${element.scrollTop - (place - first) * rowHeight}px)`;
    replace(rows, made);
  }

  function makeRow(row) {
    const [number, part] = wraps ? map.lineAt(row) : [row, 0];
    const line = output.line(number, redraw);
    if (line === undefined) return h("div.ln", "\u00a0");
    const { spans } = readLine(line.text, line.before);
    const shown = wraps ? sliceSpans(spans, part * columns, (part + 1) * columns) : spans;
    const kind = `${line.isError ? "err" : ""}${number === finding.lines[finding.at] ? " here" : ""}`;
    const name = part > 0 || line.isMore ? "" : String(number + 1);
    return h(
      "div.ln",
      { class: kind, data: { n: name } },
      shown.length ? shown.map(paint) : "\u00a0",
    );
  }

  function paint({ text, style }) {
    const { fore, back, inverse, ...rest } = style;
    const [front, ground] = inverse ? [back ?? "ground", fore ?? "text"] : [fore, back];
    const names = Object.keys(rest);
    const content = marked(text);
    if (front === undefined && ground === undefined && names.length === 0) return content;
    return h(
      "span",
      {
        class: [...names, colourClass("f", front), colourClass("b", ground)].join(" "),
        style: { ...colourStyle("color", front), ...colourStyle("background-color", ground) },
      },
      content,
    );
  }

  function marked(text) {
    if (!finding.text) return text;
    const wanted = finding.text.toLowerCase();
    const parts = [];
    const low = text.toLowerCase();
    // Some characters change their length in lower case; then nothing is marked.
    if (low.length !== text.length) return text;
    let from = 0;
    for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
      parts.push(text.slice(from, at), h("mark", text.slice(at, at + wanted.length)));
      from = at + wanted.length;
    }
    return from === 0 ? text : [...parts, text.slice(from)];
  }

  // Looks for the text in what was not searched yet; one search at a time.
  async function search() {
    if (finding.isBusy) return;
    finding.isBusy = true;
    const { turn, next } = finding;
    finding.next = output.ended;
    for await (const found of output.search(finding.text, next)) {
      if (turn !== finding.turn) break;
      finding.lines.push(...found);
      if (finding.lines.length >= MOST_FOUND) break;
    }
    finding.isBusy = false;
    if (turn !== finding.turn) return finding.text && output ? search() : undefined;
    if (finding.at < 0 && finding.lines.length > 0) step(1);
    else tell();
    draw();
  }

  function find(text) {
    Object.assign(finding, { text, lines: [], at: -1, next: 0, turn: finding.turn + 1 });
    if (text && output) search();
    else (tell(), draw());
  }

  function step(by) {
    const { lines } = finding;
    if (lines.length === 0) return;
    finding.at = (finding.at + by + lines.length) % lines.length;
    toLine(lines[finding.at]);
    tell();
  }

  function toLine(number) {
    setFollow(false);
    const row = wraps ? map.rowOf(number) : number;
    element.scrollTop = scrollFor(Math.max(0, row - 3), view());
    draw();
  }

  function tell() {
    const { text, lines, at } = finding;
    const many = lines.length >= MOST_FOUND ? `${count(MOST_FOUND)}+` : count(lines.length);
    const found = !text ? "" : lines.length === 0 ? "none" : `${count(at + 1)} of ${many}`;
    changed({ follows, found });
  }

  function setFollow(on) {
    follows = on;
    if (on) update();
    tell();
  }

  // The line at the top stays there.
  function setWrap(on) {
    const row = Math.floor(output ? rowAt(element.scrollTop, view()) : 0);
    const line = wraps && output && row < map.rows ? map.lineAt(row)[0] : row;
    wraps = on;
    element.classList.toggle("wraps", on);
    map = on && output ? wrapMap(output, columns) : null;
    update();
    if (output === null || follows) return;
    element.scrollTop = scrollFor(
      wraps ? map.rowOf(Math.min(line, output.count - 1)) : line,
      view(),
    );
    draw();
  }

  const redraw = onFrame(draw);
  element.addEventListener("scroll", () => {
    // Only who scrolls up leaves the end; that there is more below now is no wish.
    const isDown = element.scrollTop + element.clientHeight >= element.scrollHeight - 4;
    const isUp = element.scrollTop < before - 2;
    before = element.scrollTop;
    if (isDown !== follows && (isDown || isUp)) ((follows = isDown), tell());
    redraw();
  });
  new ResizeObserver(onFrame(update)).observe(element);
  return { element, show, update, follow: setFollow, wrap: setWrap, find, step, toLine };
}

function colourClass(kind, colour) {
  return typeof colour === "number" || colour === "text" || colour === "ground"
    ? `${kind}-${colour}`
    : "";
}

function colourStyle(property, colour) {
  return typeof colour === "string" && colour.startsWith("rgb") ? { [property]: colour } : {};
}
