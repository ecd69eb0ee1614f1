// Recordings in the format asciicast v2: a line with the size, then a line per event with its time.

// `{width, height, events: [{at, kind, data}], length}`, times in ms. A last line that is cut is left out.
export function readCast(text) {
  const lines = text.split("\n");
  const { width, height } = JSON.parse(lines[0]);
  const events = [];
  for (const line of lines.slice(1)) {
    if (line === "") continue;
    try {
      const [at, kind, data] = JSON.parse(line);
      events.push({ at: at * 1000, kind, data });
    } catch {
      break;
    }
  }
  return { width, height, events, length: events.length ? events.at(-1).at : 0 };
}

// The same with no pause longer than `most` ms.
export function shorten(cast, most) {
  let cut = 0;
  let before = 0;
  const events = cast.events.map((one) => {
    cut += Math.max(0, one.at - before - most);
    before = one.at;
    return { ...one, at: one.at - cut };
  });
  return { ...cast, events, length: events.length ? events.at(-1).at : 0 };
}

// "80x24" of a resize event.
export function sizeOf(data) {
  const found = /^(\d+)x(\d+)$/.exec(data);
  return found ? { columns: Number(found[1]), rows: Number(found[2]) } : null;
}
