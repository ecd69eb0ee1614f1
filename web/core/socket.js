// The socket of a workspace: opened with a ticket, opened again when it breaks, and read no faster
// than its messages can be shown.

import { connection, get, post } from "./api.js";

// The longest pause between two attempts, and the longest that one takes, in ms.
const LONGEST = 10_000;
// When the tab or the network is back, the server has so many ms to answer.
const DOUBT = 5000;

// `receive(message)` may give a promise, which is waited for before the next one is read. `state`
// hears `connecting`, `live`, `lost`, and `gone` when there is no such workspace any more. Gives
// `{send(message), end()}`; what is sent while it is not open is lost, as it would be on a wire.
export function workspaceSocket({ id, signal, receive, state }) {
  const path = `/api/terminal/workspaces/${encodeURIComponent(id)}`;
  let current = null;
  let wake = () => {};
  let cut = () => {};
  let pause = 300;
  let isOver = false;
  const over = () => isOver || signal.aborted;

  async function run() {
    while (!over()) {
      state("connecting");
      try {
        await once();
      } catch (error) {
        if (over()) return;
        if (error.status === 404 || error.status === 403) return state("gone", error);
      }
      if (over()) return;
      if (await isGone(path)) return state("gone");
      state("lost");
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, pause);
        wake = () => (clearTimeout(timer), resolve());
      });
      pause = Math.min(pause * 2, LONGEST);
    }
  }

  // One socket, from its opening until it breaks, or until there is reason to think it dead.
  async function once() {
    const mine = await open(path, signal);
    try {
      if (over()) return;
      current = mine;
      pause = 300;
      const broken = new Promise((resolve) => (cut = resolve));
      state("live");
      const take = (message) => (mine === current ? receive(message) : undefined);
      await Promise.race([mine.read(take), broken]);
    } finally {
      current = null;
      mine.close();
    }
  }

  // A socket does not tell that its other end is gone; a request that gets no answer does.
  const doubt = () => {
    if (document.hidden) return;
    wake();
    if (current) get(path, {}, AbortSignal.timeout(DOUBT)).catch(() => {});
  };
  addEventListener("online", doubt, { signal });
  document.addEventListener("visibilitychange", doubt, { signal });
  connection.addEventListener("down", () => cut(), { signal });
  const end = () => ((isOver = true), cut(), wake());
  signal.addEventListener("abort", end);
  run();
  return { send: (message) => current?.send(JSON.stringify(message)), end };
}

async function isGone(path) {
  try {
    await get(path);
    return false;
  } catch (error) {
    return error.status === 404;
  }
}

async function open(path, signal) {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(LONGEST)]);
  const { ticket } = await post("/api/auth/ticket", {}, soon);
  const url = new URL(`${path}/ws?ticket=${encodeURIComponent(ticket)}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return "WebSocketStream" in globalThis ? openStream(url, soon) : openPlain(url);
}

// A stream holds the server back while nobody reads: the wire fills up, and the server waits.
async function openStream(url, signal) {
  const stream = new WebSocketStream(url.href, { signal });
  const { readable, writable } = await stream.opened;
  stream.closed.catch(() => {});
  const [reader, writer] = [readable.getReader(), writable.getWriter()];
  return {
    send: (text) => writer.write(text).catch(() => {}),
    close: () => stream.close(),
    async read(receive) {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        await receive(JSON.parse(value));
      }
    },
  };
}

// Where there are no streams messages wait in a list until they can be shown.
function openPlain(url) {
  const socket = new WebSocket(url);
  return new Promise((resolve, reject) => {
    socket.onerror = () => reject(new Error("the socket could not be opened"));
    socket.onopen = () =>
      resolve({
        send: (text) => socket.readyState === WebSocket.OPEN && socket.send(text),
        close: () => socket.close(),
        read: (receive) => readPlain(socket, receive),
      });
  });
}

async function readPlain(socket, receive) {
  const waiting = [];
  let wake = () => {};
  let isOpen = true;
  socket.onmessage = ({ data }) => (waiting.push(data), wake());
  socket.onclose = () => ((isOpen = false), wake());
  while (isOpen || waiting.length > 0) {
    if (waiting.length === 0) await new Promise((resolve) => (wake = resolve));
    else await receive(JSON.parse(waiting.shift()));
  }
}
