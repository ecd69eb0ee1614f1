// Which rows of a long list are in sight: pure arithmetic, for lists, grids and logs.

// Rows `first` up to `end` (not included) of `count`, for a list whose top is `top` pixels below
// the top of a view of `height` pixels (negative once it was scrolled past it).
export function visibleRows({ count, rowHeight, top, height, spare = 8 }) {
  const first = Math.floor(-top / rowHeight) - spare;
  const end = Math.ceil((height - top) / rowHeight) + spare;
  const clamp = (row) => Math.max(0, Math.min(count, row));
  return { first: clamp(first), end: Math.max(clamp(first), clamp(end)) };
}

// Browsers lay out no more than some 30 million pixels: a longer list has a scaled scroll bar.
export const TALLEST = 8_000_000;

// The height of a list's scrolled content.
export function contentHeight(count, rowHeight, viewHeight) {
  return Math.max(viewHeight, Math.min(count * rowHeight, TALLEST));
}

// The row at the top of the view, with its fraction, for a place of the scroll bar; and back.
export function rowAt(scrollTop, { count, rowHeight, viewHeight }) {
  const real = count * rowHeight;
  const shown = contentHeight(count, rowHeight, viewHeight);
  if (real <= shown) return scrollTop / rowHeight;
  return ((scrollTop / (shown - viewHeight)) * (real - viewHeight)) / rowHeight;
}

export function scrollFor(row, { count, rowHeight, viewHeight }) {
  const real = count * rowHeight;
  const shown = contentHeight(count, rowHeight, viewHeight);
  if (real <= shown) return row * rowHeight;
  return ((row * rowHeight) / (real - viewHeight)) * (shown - viewHeight);
}
