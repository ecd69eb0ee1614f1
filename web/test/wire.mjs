// A wire between the browser and linkopsd that can fall silent without being cut, as one does where
// a router has forgotten it, or a laptop slept.

import { connect, createServer } from "node:net";

// Gives `{url, open, hush, hold, cut, release, close}`; patterns are looked for in the request line that
// a connection has sent last.
export async function startWire(target) {
  const { hostname, port } = new URL(target);
  const lines = new Set();
  let held = null;

  const server = createServer((client) => {
    const line = { request: "", ends: [client, connect(Number(port), hostname)], waits: [] };
    const [, upstream] = line.ends;
    lines.add(line);
    client.on("data", (bytes) => {
      const request = /^[A-Z]+ \S+ HTTP/.exec(bytes.toString("latin1"))?.[0];
      if (request) line.request = request;
      if (request && held?.test(request)) line.isHushed = true;
      pass(line, upstream, bytes);
    });
    upstream.on("data", (bytes) => pass(line, client, bytes));
    for (const end of line.ends) {
      end.on("error", () => {});
      end.on("close", () => (lines.delete(line), line.ends.forEach((one) => one.destroy())));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

  const each = (pattern, act) => {
    const found = [...lines].filter((line) => pattern.test(line.request));
    found.forEach(act);
    return found.length;
  };
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    // How many connections there are.
    open: (pattern) => each(pattern, () => {}),
    // Nothing passes on these connections any more; gives their number.
    hush: (pattern) => each(pattern, (line) => (line.isHushed = true)),
    // The same for requests that come from now on.
    hold: (pattern) => (held = pattern),
    cut: (pattern) => each(pattern, (line) => line.ends.forEach((end) => end.destroy())),
    // What was held back passes.
    release() {
      held = null;
      for (const line of lines) {
        line.isHushed = false;
        line.waits.splice(0).forEach(([end, bytes]) => end.write(bytes));
      }
    },
    close() {
      each(/^/, (line) => line.ends.forEach((end) => end.destroy()));
      server.close();
    },
  };
}

function pass(line, end, bytes) {
  if (line.isHushed) line.waits.push([end, bytes]);
  else end.write(bytes);
}
