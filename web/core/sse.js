// Server-sent events over fetch: so that the token goes in a header and not in an address, and a
// stream that broke is taken up again after the last event that was seen.

import { ApiError, call } from "./api.js";

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
// false or the server closes.
export async function readEvents(path, { after = 0, signal, take }) {
  const headers = { Accept: "text/event-stream" };
  if (after > 0) headers["Last-Event-ID"] = String(after);
  const response = await call("GET", path, { signal, headers, raw: true });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const event of parser.push(value)) if (take(event) === false) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Follows a stream until `take` returns false: when it breaks, it is taken up again with growing
// pauses, at once when the network or the tab comes back. `state` hears `live` and `lost`.
export async function followEvents(path, { signal, take, state }) {
  let after = 0;
  let pause = 500;
  let over = false;
  const each = (event) => {
    pause = 500;
    state("live");
    after = Number(event.id) || after;
    over = take(event) === false;
    return !over;
  };
  while (!over && !signal.aborted) {
    try {
      await readEvents(path, { after, signal, take: each });
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      // What the server refuses for good is not asked for again.
      const isFinal = error instanceof ApiError && error.status >= 400 && error.status < 500;
      if (isFinal && ![408, 429].includes(error.status)) throw error;
    }
    if (over || signal.aborted) return;
    state("lost");
    await wakeAfter(pause, signal);
    pause = Math.min(pause * 2, 10_000);
  }
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
