// The layouts of a workspace: how many panes, and how they stand.

export const NAMES = ["A", "B", "C", "D"];

export const layouts = [
  { id: "single", label: "One", columns: 1, rows: 1 },
  { id: "grid2x1", label: "Two side by side", columns: 2, rows: 1 },
  { id: "grid1x3", label: "Three in a column", columns: 1, rows: 3 },
  { id: "grid2x2", label: "Four", columns: 2, rows: 2 },
];

export const layoutOf = (id) => layouts.find((one) => one.id === id) ?? layouts[0];

export const panesOf = ({ columns, rows }) => NAMES.slice(0, columns * rows);

// The smallest layout with room for that many.
export function layoutFor(count) {
  return layouts.find(({ columns, rows }) => columns * rows >= count) ?? layouts.at(-1);
}

// Shares of a row or column after the edge behind `at` was moved by `by` (a share of the whole);
// none gets smaller than `least`.
export function moveEdge(shares, at, by, least = 0.12) {
  const pair = shares[at] + shares[at + 1];
  const first = Math.max(least, Math.min(pair - least, shares[at] + by));
  return shares.map((one, place) => (place === at ? first : place === at + 1 ? pair - first : one));
}
