// Lines of a terminal's output as text with colours: escape sequences are read, never shown. A
// style is a small object, and the same object as long as nothing changes.

// CSI sequences, OSC sequences, and the short ones.
const SEQUENCE =
  /\x1b(?:\[([0-9;:?<=>]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\|$)|[()#%][ -~]|[ -~]|$)/g;
// Control characters that have no picture; the tab has its own rule.
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f]/g;

export const PLAIN = Object.freeze({});

// What of a line is to be seen when a terminal has drawn over it: what follows the last return.
export function lastDrawn(line) {
  const end = line.endsWith("\r") ? line.slice(0, -1) : line;
  const at = end.lastIndexOf("\r");
  return at < 0 ? end : end.slice(at + 1);
}

// The line without escape sequences, control characters and tabs.
export function plainText(line) {
  const drawn = lastDrawn(line);
  const bare = drawn.includes("\x1b") ? drawn.replace(SEQUENCE, "") : drawn;
  return clean(bare, 0);
}

function clean(text, column) {
  const bare = text.replace(CONTROL, "");
  return bare.includes("\t") ? expandTabs(bare, column) : bare;
}

function expandTabs(text, column) {
  let at = column;
  return text.replace(/[^\t]+|\t/g, (part) => {
    if (part !== "\t") {
      at += textWidth(part);
      return part;
    }
    const spaces = 8 - (at % 8);
    at += spaces;
    return " ".repeat(spaces);
  });
}

// `{spans: [{text, style}], style}`: the line in parts of one style, and the style after it.
export function readLine(line, before = PLAIN) {
  const drawn = lastDrawn(line);
  // What was drawn over has still set its colours.
  let style =
    drawn.length < line.length
      ? styleAfter(line.slice(0, line.length - drawn.length), before)
      : before;
  if (!drawn.includes("\x1b"))
    return { spans: drawn ? [{ text: clean(drawn, 0), style }] : [], style };
  const spans = [];
  let from = 0;
  let column = 0;
  const add = (text) => {
    const shown = clean(text, column);
    if (shown) spans.push({ text: shown, style });
    column += textWidth(shown);
  };
  for (const found of drawn.matchAll(SEQUENCE)) {
    add(drawn.slice(from, found.index));
    from = found.index + found[0].length;
    if (found[2] === "m") style = nextStyle(style, found[1]);
  }
  add(drawn.slice(from));
  return { spans, style };
}

// The style at the end of a line.
export function styleAfter(line, before) {
  if (!line.includes("\x1b")) return before;
  let style = before;
  for (const found of line.matchAll(SEQUENCE))
    if (found[2] === "m") style = nextStyle(style, found[1]);
  return style;
}

const SWITCHES = {
  1: ["bold", true],
  2: ["dim", true],
  3: ["italic", true],
  4: ["underline", true],
  7: ["inverse", true],
  9: ["strike", true],
  22: ["bold", false],
  23: ["italic", false],
  24: ["underline", false],
  27: ["inverse", false],
  29: ["strike", false],
};

// Select Graphic Rendition (ECMA-48 8.3.117), with the colours that xterm has added.
function nextStyle(style, parameters) {
  const codes = parameters.split(/[;:]/).map(Number);
  let next = { ...style };
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at];
    if (code === 0) next = {};
    else if (SWITCHES[code]) {
      const [name, on] = SWITCHES[code];
      if (on) next[name] = true;
      else delete next[name];
      if (code === 22) delete next.dim;
    } else if (code >= 30 && code <= 37) next.fore = code - 30;
    else if (code >= 90 && code <= 97) next.fore = code - 82;
    else if (code >= 40 && code <= 47) next.back = code - 40;
    else if (code >= 100 && code <= 107) next.back = code - 92;
    else if (code === 39) delete next.fore;
    else if (code === 49) delete next.back;
    else if (code === 38 || code === 48) {
      const [colour, used] = wideColour(codes, at + 1);
      if (colour !== null) next[code === 38 ? "fore" : "back"] = colour;
      at += used;
    }
  }
  return Object.keys(next).length ? Object.freeze(next) : PLAIN;
}

function wideColour(codes, at) {
  const byte = (value) => Math.max(0, Math.min(255, value || 0));
  if (codes[at] === 5) return [indexed(byte(codes[at + 1])), 2];
  if (codes[at] === 2)
    return [`rgb(${byte(codes[at + 1])} ${byte(codes[at + 2])} ${byte(codes[at + 3])})`, 4];
  return [null, 0];
}

// The 256 colours: the theme's 16, a cube of 6 by 6 by 6, and greys.
function indexed(number) {
  if (number < 16) return number;
  if (number >= 232) {
    const grey = 8 + (number - 232) * 10;
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const level = (value) => (value === 0 ? 0 : 55 + value * 40);
  const cube = number - 16;
  return `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const NARROW = /^[\x20-\x7e]*$/;
const NOTHING = /\p{M}|\u200d|\ufe0f/u;

// Columns of a text in a terminal.
export function textWidth(text) {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const one of text) width += charWidth(one);
  return width;
}

function charWidth(one) {
  if (one < "\u0300") return 1;
  return NOTHING.test(one) ? 0 : WIDE.test(one) ? 2 : 1;
}

// The spans of a line that stand between two columns.
export function sliceSpans(spans, from, to) {
  const found = [];
  let column = 0;
  for (const { text, style } of spans) {
    const width = textWidth(text);
    if (column + width > from && column < to) {
      const part =
        width === text.length
          ? text.slice(Math.max(0, from - column), to - column)
          : sliceText(text, from - column, to - column);
      if (part) found.push({ text: part, style });
    }
    column += width;
    if (column >= to) break;
  }
  return found;
}

function sliceText(text, from, to) {
  let column = 0;
  let part = "";
  for (const one of text) {
    if (column >= from && column < to) part += one;
    column += charWidth(one);
  }
  return part;
}
