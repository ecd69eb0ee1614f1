// Server-sent events over fetch: so that the token goes in a header and not in an address, and a
// stream that broke is taken up again after the last event that was seen.

import { ApiError, call } from "./api.js";

// The server breaks silence each 15 s: without a byte for so many ms a connection is dead.
const SILENCE = 40_000;
// When the tab or the network is back, this much is enough to doubt it.
const DOUBT = 20_000;

// From pieces of text to events `{id, event, data}`, as the HTML standard reads a stream.
export class EventParser {
  #rest = "";
  #id = "";
  #event = "";
  #data = [];

  // The events that this piece completes.
  push(text) {
    const found = [];
    let all = this.#rest + text;
    // A CR at the end may be the first half of a CRLF.
    const held = all.endsWith("\r") ? "\r" : "";
    all = held ? all.slice(0, -1) : all;
    const lines = all.split(/\r\n|\n|\r/);
    this.#rest = lines.pop() + held;
    for (const line of lines) {
      const event = this.#line(line);
      if (event) found.push(event);
    }
    return found;
  }

  #line(line) {
    if (line === "") return this.#complete();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "id") this.#id = value;
    else if (name === "event") this.#event = value;
    else if (name === "data") this.#data.push(value);
    return null;
  }

  #complete() {
    const event = { id: this.#id, event: this.#event || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#event = "";
    this.#data = [];
    return isEmpty ? null : event;
  }
}

// Reads a stream once, from the event after `after`, giving each to `take` until that returns
// false or the server closes. `heard` is told of each sign of life.
export async function readEvents(path, { after = 0, signal, take, heard = () => {} }) {
  const headers = { Accept: "text/event-stream" };
  if (after > 0) headers["Last-Event-ID"] = String(after);
  const response = await call("GET", path, { signal, headers, raw: true });
  heard();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      for (const event of parser.push(value)) if (take(event) === false) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Follows a stream until `take` returns false: when it breaks or falls silent, it is taken up again
// with growing pauses, at once when the network or the tab comes back. `state` hears `live` and `lost`.
export async function followEvents(path, { signal, take, state }) {
  let after = 0;
  let pause = 500;
  let over = false;
  const each = (event) => {
    pause = 500;
    after = Number(event.id) || after;
    over = take(event) === false;
    return !over;
  };
  while (!over && !signal.aborted) {
    const line = untilSilent(signal);
    const heard = () => (line.heard(), state("live"));
    try {
      await readEvents(path, { after, signal: line.signal, take: each, heard });
    } catch (error) {
      if (signal.aborted) return;
      // What the server refuses for good is not asked for again.
      const isFinal = error instanceof ApiError && error.status >= 400 && error.status < 500;
      if (isFinal && ![408, 429].includes(error.status)) throw error;
    } finally {
      line.end();
    }
    if (over || signal.aborted) return;
    state("lost");
    await wakeAfter(pause, signal);
    pause = Math.min(pause * 2, 10_000);
  }
}

// A signal that is aborted with another one, and when nothing was `heard` for too long.
function untilSilent(other) {
  const abort = new AbortController();
  const { signal } = abort;
  let last = 0;
  let timer = 0;
  const end = () => (clearTimeout(timer), abort.abort());
  const heard = () => {
    last = Date.now();
    clearTimeout(timer);
    timer = setTimeout(end, SILENCE);
  };
  // Timers stand still while the computer sleeps; the clock does not.
  const woken = () => !document.hidden && Date.now() - last > DOUBT && end();
  addEventListener("online", woken, { signal });
  document.addEventListener("visibilitychange", woken, { signal });
  other.addEventListener("abort", end, { signal });
  heard();
  return { signal, heard, end };
}

// Waits, but not longer than until the tab or the network is back.
function wakeAfter(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      document.removeEventListener("visibilitychange", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    document.addEventListener("visibilitychange", done);
    signal.addEventListener("abort", done);
  });
}
