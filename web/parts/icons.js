// Drawings of 16 by 16, in the colour of the text around them. They are decoration: what they mean
// stands beside them in words, or in the label of the button.

import { svg } from "../core/dom.js";

const LINES = {
  overview: "M2.5 2.5h4.5v6h-4.5zM9 2.5h4.5v3.5h-4.5zM9 8.5h4.5v5h-4.5zM2.5 11h4.5v2.5h-4.5z",
  links: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01",
  operations: "M3.5 3l9 5-9 5z",
  terminal: "M2 3h12v10H2zM4.5 6l2 2-2 2M8 10.5h3",
  scripts: "M4 2h5.5L12.5 5v9H4zM9 2v3.5h3.5M6 8.5h4.5M6 11h4.5",
  git: "M4.5 5.5v6M4.5 5.5a1.5 1.5 0 100-3 1.5 1.5 0 000 3zM4.5 13.5a1.5 1.5 0 100-3 1.5 1.5 0 000 3zM11.5 6.5a1.5 1.5 0 100-3 1.5 1.5 0 000 3zM11.5 6.5c0 2.5-2 3-4 3.2-1.8.2-3 .3-3 1.8",
  audit: "M4 2h8v12H4zM6.5 5h3M6.5 8h3M6.5 11h1.5",
  users:
    "M6 8a2.5 2.5 0 100-5 2.5 2.5 0 000 5zM1.5 13.5c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M11 3.3a2.5 2.5 0 010 4.4M12 9.8c1.6.5 2.5 1.8 2.5 3.7",
  tokens: "M6 10a3.5 3.5 0 100-7 3.5 3.5 0 000 7zM8.5 9l5 5M11.5 12l1.5-1.5M5 6.5h.01",
  search: "M7 11.5a4.5 4.5 0 100-9 4.5 4.5 0 000 9zM10.3 10.3L14 14",
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5l3.5 3.5L13 4.5",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  down: "M4 6l4 4 4-4",
  up: "M4 10l4-4 4 4",
  right: "M6 4l4 4-4 4",
  refresh: "M13 8a5 5 0 11-1.5-3.5L13 6M13 2.5V6H9.5",
  stop: "M4 4h8v8H4z",
  retry: "M3 8a5 5 0 101.5-3.5L3 6M3 2.5V6h3.5",
  download: "M8 2.5v7.5M4.5 7L8 10.5 11.5 7M3 13.5h10",
  copy: "M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3",
  wrap: "M2 4h12M2 8h9.5a2 2 0 010 4H8M9.5 10.5L8 12l1.5 1.5M2 12h3",
  follow: "M4 3.5l4 4 4-4M4 8.5l4 4 4-4",
  jump: "M8 2.5l6 11H2zM8 6.5v3M8 11.5h.01",
  shield: "M8 2l5 2v4c0 3-2 5-5 6-3-1-5-3-5-6V4zM5.5 8l1.8 1.8L10.5 6.5",
  noshield: "M8 2l5 2v4c0 3-2 5-5 6-3-1-5-3-5-6V4zM6 6l4 4M10 6l-4 4",
  map: "M8 5.5a1.5 1.5 0 100-3 1.5 1.5 0 000 3zM3.5 13.5a1.5 1.5 0 100-3 1.5 1.5 0 000 3zM12.5 13.5a1.5 1.5 0 100-3 1.5 1.5 0 000 3zM8 5.5v2.5M3.5 10.5V8h9v2.5",
  list: "M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.01M2.5 8h.01M2.5 12h.01",
  sun: "M8 11a3 3 0 100-6 3 3 0 000 6zM8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1",
  user: "M8 8a3 3 0 100-6 3 3 0 000 6zM2.5 14c0-3 2.5-4.5 5.5-4.5s5.5 1.5 5.5 4.5",
  leave: "M9.5 5V2.5h-7v11h7V11M6.5 8h7.5M11.5 5.5L14 8l-2.5 2.5",
  info: "M8 14A6 6 0 108 2a6 6 0 000 12zM8 7.5v3.5M8 5h.01",
  keyboard: "M1.5 4h13v8h-13zM4 6.5h.01M6.5 6.5h.01M9 6.5h.01M11.5 6.5h.01M5 9.5h6",
  play: "M4.5 3l8 5-8 5z",
  pulse: "M1.5 8H4l2-5 3.5 10 2-5h3",
  clock: "M8 14A6 6 0 108 2a6 6 0 000 12zM8 4.5V8l2.5 1.5",
  film: "M2.5 3h11v10h-11zM5 3v10M11 3v10M2.5 8h11",
  key: "M6 10a3.5 3.5 0 100-7 3.5 3.5 0 000 7zM8.5 9l5 5",
  jumpvia: "M3 13V9.5a3 3 0 013-3h7M10 3.5l3 3-3 3",
};

// Status marks differ by shape, not by colour alone: disc, square, triangle, ring, diamond, dashes.
const MARKS = {
  ok: ["M8 1.5a6.5 6.5 0 110 13 6.5 6.5 0 010-13z", "M5 8.3l2.2 2.2L11 5.8"],
  fail: [
    "M3 1.5h10a1.5 1.5 0 011.5 1.5v10a1.5 1.5 0 01-1.5 1.5H3A1.5 1.5 0 011.5 13V3A1.5 1.5 0 013 1.5z",
    "M5.3 5.3l5.4 5.4M10.7 5.3l-5.4 5.4",
  ],
  warn: [
    "M8 1.2c.5 0 .9.3 1.1.7l5.6 10.5c.5.9-.2 2.1-1.2 2.1h-11c-1 0-1.7-1.2-1.2-2.1L6.9 1.9c.2-.4.6-.7 1.1-.7z",
    "M8 5.5v4M8 12h.01",
  ],
  stop: ["M8 .8l7.2 7.2L8 15.2.8 8z", "M6 6h4v4H6z"],
};
const RINGS = {
  run: "M8 2a6 6 0 11-6 6",
  queued: "M8 14A6 6 0 108 2a6 6 0 000 12zM8 5v3.2l2 1.3",
  skip: "M3 4.5L6.5 8 3 11.5M8.5 4.5L12 8l-3.5 3.5",
  unknown: "M8 14A6 6 0 108 2a6 6 0 000 12z",
  idle: "M5 8h6",
};

export function icon(name) {
  const path = svg("path", { d: LINES[name] ?? LINES.info });
  return svg("svg.icon", { viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" }, path);
}

export function mark(kind) {
  const shape = MARKS[kind];
  const paths = shape
    ? [svg("path.solid", { d: shape[0] }), svg("path.cut", { d: shape[1] })]
    : [svg("path.ring", { d: RINGS[kind] ?? RINGS.unknown })];
  return svg(
    `svg.mark.${kind}`,
    { viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    paths,
  );
}
