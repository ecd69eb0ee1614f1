// Lines that are wrapped: which row of the view belongs to which line, for outputs of any length.
// Rows are counted per block, so that nothing is kept per line.

// The map of an output for a number of columns: `{rows, lineAt(row), rowOf(line), update(output)}`.
export function wrapMap(output, columns) {
  let parts = [];
  let source = output;
  let rows = 0;
  const height = (width) => Math.max(1, Math.ceil(width / columns));

  // Blocks never change once another one follows them; the last one and what is open are counted anew.
  function update(next) {
    source = next;
    const blocks = next.blocks();
    parts = parts.slice(0, Math.max(0, Math.min(parts.length, blocks.length) - 1));
    let top = parts.length ? parts.at(-1).top + parts.at(-1).rows : 0;
    for (const { first, widths } of blocks.slice(parts.length)) {
      let mine = 0;
      for (const width of widths) mine += height(width);
      parts.push({ first, lines: widths.length, top, rows: mine });
      top += mine;
    }
    const last = parts.at(-1);
    for (let line = last.first + last.lines; line < next.count; line += 1) {
      const mine = height(next.width(line));
      last.lines += 1;
      last.rows += mine;
      top += mine;
    }
    rows = top;
  }

  const partWith = (fits) => {
    let low = 0;
    let high = parts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (fits(parts[middle])) low = middle;
      else high = middle - 1;
    }
    return parts[low];
  };

  // `[line, part]`: the line of a row, and which of its rows it is.
  function lineAt(row) {
    const part = partWith((one) => one.top <= row);
    let top = part.top;
    for (let line = part.first; line < part.first + part.lines; line += 1) {
      const mine = height(source.width(line));
      if (row < top + mine) return [line, row - top];
      top += mine;
    }
    return [part.first + part.lines - 1, 0];
  }

  function rowOf(line) {
    const part = partWith((one) => one.first <= line);
    let top = part.top;
    for (let one = part.first; one < line; one += 1) top += height(source.width(one));
    return top;
  }

  update(output);
  return {
    get rows() {
      return rows;
    },
    lineAt,
    rowOf,
    update,
  };
}
