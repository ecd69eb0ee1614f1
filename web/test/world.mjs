// What tests begin with: a fleet and a browser. The small world of most of them is four machines, of
// which one is down, and scripts that do what a test wants to see.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, afterEach, before } from "node:test";
import { Browser, goto, signIn } from "./browser.mjs";
import { Fleet } from "./fleet.mjs";

assert.ok(
  existsSync(new URL("../dist/manifest", import.meta.url)),
  "the console is not built: web/build",
);

const bash = (text) => `#!/bin/bash -eu\n${text}\n`;
const machine = (id, type, tags, more = {}) => ({ id, type, tags, provider: "test", ...more });

const machines = [
  machine("web-01", "VPS", ["web"]),
  machine("web-02", "VPS", ["web"]),
  machine("db-01", "VM", ["db"]),
  machine("edge-01", "VPS", ["edge"], { down: true }),
];

// Those that can be reached.
export const able = ["db-01", "web-01", "web-02"];

function scripts() {
  return {
    hello: {
      name: "Hello",
      emoji: "👋",
      estimatedDuration: 1,
      flags: ["--loud", "--times=1"],
      tags: ["safe"],
      text: bash(
        `printf '\\e[1;32mhello\\e[0m from %s, %s\\n' "$(basename "$HOME")" "$*"; echo "to the side" >&2`,
      ),
    },
    // Goes on until the test says so.
    wait: {
      name: "Wait",
      estimatedDuration: 2,
      text: bash(
        `for n in {1..3000}; do echo "line $n"; [[ -e @GATE@ ]] && exit 0; sleep 0.1; done`,
      ),
    },
    // Says nothing until the test says so.
    quiet: { name: "Quiet", text: bash(`until [[ -e @GATE@ ]]; do sleep 0.1; done`) },
    // Fails while the test wants it to.
    picky: {
      name: "Picky",
      text: bash(`[[ -e @FAULT@ ]] && { echo "the fault is there" >&2; exit 3; }; echo fine`),
    },
    // Two kinds of machines: those on the first server, and those on the second.
    kinds: {
      name: "Kinds",
      text: bash(`echo common; [[ $HOME == *sshd-1* ]] && echo "12.5" || echo "12.4"`),
    },
    "last-line": { name: "Last line", text: bash("echo one\necho last") },
  };
}

// Starts the small world before the tests of a file; `prepare(fleet)` does what must be there before.
export function useWorld(prepare = () => {}) {
  return useFleet({ machines, scripts: scripts() }, async (fleet) => {
    prepare(fleet);
    await fleet.sync();
  });
}

// Starts a fleet before the tests of a file and ends it after them. After each test its tabs are closed,
// and what went wrong in them is told. Gives an object whose fields `fleet`, `browser` and `session`
// (the admin's) are there when tests run.
export function useFleet(description, prepare = (fleet) => fleet.sync()) {
  const world = {};
  before(async () => {
    world.fleet = await Fleet.start(description);
    await prepare(world.fleet);
    world.browser = await Browser.start();
    world.session = await signIn(world.fleet);
  });
  after(async () => {
    await world.browser?.stop();
    await world.fleet?.stop();
  });
  afterEach(() => world.browser.clear());
  // A tab, signed in as admin if nothing else is said.
  world.tab = (more = {}) => world.browser.tab(world.fleet, { session: world.session, ...more });
  // The same on a page of which the heading is there.
  world.open = async (address, heading, more = {}) => {
    const page = await world.tab(more);
    await goto(page, address, heading);
    return page;
  };
  return world;
}

export const note = (page, text) => page.getByRole("region", { name: "Notes" }).getByText(text);
