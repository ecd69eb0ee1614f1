// What one script has printed on one machine, however much it is: the newest lines are text in
// memory, all others lie in blobs, which the browser keeps outside the page's heap. A line is known
// by its number; lines that are very long are kept in pieces.

import { PLAIN, plainText, styleAfter, textWidth } from "./ansi.js";

const BLOCK = 32 * 1024;
const LONGEST = 8000;
const ERROR = 0x8000;
// The piece goes on in the next line; no line end is between them.
const OPEN = 0x4000;
const CACHED = 8;

const STREAMS = ["stdout", "stderr"];

export class Output {
  #blocks = [];
  #tail = newTail(0, { stdout: PLAIN, stderr: PLAIN }, { stdout: false, stderr: false });
  #rest = { stdout: "", stderr: "" };
  #cache = new Map();
  bytes = 0;

  // Lines that have ended, and then those that have not: what of the streams is still open.
  get count() {
    return this.ended + this.#open().length;
  }

  // Lines that will not change any more.
  get ended() {
    return this.#tail.first + this.#tail.lengths.length;
  }

  #open() {
    return STREAMS.filter((stream) => this.#rest[stream] !== "");
  }

  append(stream, text) {
    this.bytes += text.length;
    const all = this.#rest[stream] + text;
    let from = 0;
    for (let at = all.indexOf("\n"); at >= 0; at = all.indexOf("\n", from)) {
      this.#long(stream, all.slice(from, at), 0);
      from = at + 1;
    }
    let rest = all.slice(from);
    if (rest.length > LONGEST) rest = this.#long(stream, rest, OPEN);
    this.#rest[stream] = rest;
    if (this.#tail.size >= BLOCK) this.seal();
  }

  // Takes a line in pieces; with `end` OPEN it gives what is left over instead of ending the line.
  #long(stream, line, end) {
    let text = line;
    while (text.length > LONGEST) {
      const at = cut(text);
      this.#push(stream, text.slice(0, at), OPEN);
      text = text.slice(at);
    }
    if (end === OPEN) return text;
    this.#push(stream, text, 0);
    return "";
  }

  #push(stream, line, open) {
    const tail = this.#tail;
    tail.lines.push(line);
    tail.lengths.push(line.length | (stream === "stderr" ? ERROR : 0) | open);
    tail.widths.push(textWidth(plainText(line)));
    tail.after[stream] = styleAfter(line, tail.after[stream]);
    tail.isOpen[stream] = open !== 0;
    tail.size += line.length + 1;
  }

  // Moves the lines that are in memory into a blob.
  seal() {
    const { lines, first, before, wasOpen, after, isOpen, lengths, widths } = this.#tail;
    if (lines.length === 0) return;
    const block = {
      first,
      before,
      wasOpen,
      lengths: Uint16Array.from(lengths),
      widths: Uint16Array.from(widths),
      blob: new Blob([lines.join("\n")]),
    };
    this.#blocks.push(block);
    this.#tail = newTail(first + lines.length, after, isOpen);
  }

  // Nothing more will come.
  end() {
    for (const stream of STREAMS) {
      if (this.#rest[stream] === "") continue;
      this.#push(stream, this.#rest[stream], OPEN);
      this.#rest[stream] = "";
    }
    if (this.#tail.size > 2048) this.seal();
  }

  // Columns of a line, for how many rows it takes.
  width(number) {
    const tail = this.#tail;
    if (number >= this.ended)
      return textWidth(plainText(this.#rest[this.#open()[number - this.ended]]));
    if (number >= tail.first) return tail.widths[number - tail.first];
    const block = this.#blockOf(number);
    return block.widths[number - block.first];
  }

  // All blocks as `{first, widths}`, the newest lines last: to count rows without asking per line.
  blocks() {
    return [...this.#blocks, this.#tail];
  }

  #blockOf(number) {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#blocks[middle].first <= number) low = middle;
      else high = middle - 1;
    }
    return this.#blocks[low];
  }

  // A line as `{text, isError, isMore, before}`: its style before it, and whether it goes on from the
  // line before. `undefined` when its block is not in memory; `wanted` is called when it is.
  line(number, wanted) {
    const ended = this.ended;
    if (number >= ended) {
      const stream = this.#open()[number - ended];
      if (stream === undefined) return undefined;
      return {
        text: this.#rest[stream],
        isError: stream === "stderr",
        isMore: this.#tail.isOpen[stream],
        before: this.#tail.after[stream],
      };
    }
    if (number >= this.#tail.first) return lineOf(this.#tail, number - this.#tail.first);
    const block = this.#blockOf(number);
    const lines = this.#cache.get(block);
    if (!lines) return void this.#load(block).then(wanted);
    return lineOf({ ...block, lines }, number - block.first);
  }

  // The lines of a block; the last few that were asked for stay in memory.
  async #load(block) {
    const kept = this.#cache.get(block);
    if (kept) return kept;
    block.loading ??= block.blob.text();
    const lines = (await block.loading).split("\n");
    block.loading = null;
    this.#cache.delete(block);
    this.#cache.set(block, lines);
    if (this.#cache.size > CACHED) this.#cache.delete(this.#cache.keys().next().value);
    return lines;
  }

  // The numbers of lines from `from` on that hold a text, in pieces, so that a search can be left.
  async *search(text, from = 0) {
    const wanted = text.toLowerCase();
    const holds = (line) =>
      line.toLowerCase().includes(wanted) && plainText(line).toLowerCase().includes(wanted);
    for (const block of this.blocks()) {
      const { first, lengths } = block;
      if (first + lengths.length <= from) continue;
      const lines = block.lines ?? (await block.blob.text()).split("\n");
      yield lines.flatMap((line, at) => (first + at >= from && holds(line) ? [first + at] : []));
    }
  }

  // All of it as a file, both streams or one; without taking it into memory at once.
  async file(only = null) {
    const parts = [];
    for (const block of this.blocks()) {
      const lines = block.lines ?? (await block.blob.text()).split("\n");
      const text = [];
      block.lengths.forEach((length, at) => {
        const stream = length & ERROR ? "stderr" : "stdout";
        if (only === null || only === stream) text.push(lines[at], length & OPEN ? "" : "\n");
      });
      parts.push(new Blob([text.join("")]));
    }
    for (const stream of STREAMS)
      if (only === null || only === stream) parts.push(this.#rest[stream]);
    return new Blob(parts, { type: "text/plain" });
  }
}

// Per stream: the style that the lines before have left, and whether the last of them goes on here.
function newTail(first, after, isOpen) {
  return {
    first,
    lines: [],
    lengths: [],
    widths: [],
    size: 0,
    before: { ...after },
    after: { ...after },
    wasOpen: { ...isOpen },
    isOpen: { ...isOpen },
  };
}

// Where to cut a piece of a line that is too long: not inside a character or an escape sequence.
function cut(text) {
  const escape = text.lastIndexOf("\x1b", LONGEST);
  if (escape > LONGEST - 64) return escape;
  const last = text.charCodeAt(LONGEST - 1);
  return last >= 0xd800 && last < 0xdc00 ? LONGEST - 1 : LONGEST;
}

// A line of a block, with the style that those before it have left.
function lineOf(block, at) {
  const kind = block.lengths[at];
  const stream = kind & ERROR ? "stderr" : "stdout";
  return {
    text: block.lines[at],
    isError: stream === "stderr",
    isMore: isMore(block, at, stream),
    before: styleBefore(block, at, stream),
  };
}

function isMore({ lengths, wasOpen }, at, stream) {
  for (let one = at - 1; one >= 0; one -= 1) {
    if ((lengths[one] & ERROR) === (lengths[at] & ERROR)) return (lengths[one] & OPEN) !== 0;
  }
  return wasOpen[stream];
}

function styleBefore(block, at, stream) {
  let style = block.before[stream];
  for (let one = 0; one < at; one += 1) {
    if ((block.lengths[one] & ERROR ? "stderr" : "stdout") === stream)
      style = styleAfter(block.lines[one], style);
  }
  return style;
}
