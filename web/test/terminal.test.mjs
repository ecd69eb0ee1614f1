// Terminals in a browser, on real machines: four panes, leaving and coming back, typing into all,
// recordings.

import assert from "node:assert/strict";
import { test } from "node:test";
import { accessible, goto } from "./browser.mjs";
import { until } from "./fleet.mjs";
import { startWire } from "./wire.mjs";
import { useFleet } from "./world.mjs";

const ids = ["host-a", "host-b", "host-c", "host-d"];
const machines = [
  ...ids.map((id) => ({ id, type: "VPS" })),
  { id: "host-down", type: "VPS", down: true },
];

const world = useFleet({
  machines,
  scripts: {},
  settings: "terminal.recording = on\nterminal.detach_timeout = 600",
});

const pane = (page, name) => page.getByRole("region", { name: `Pane ${name}` });
const screen = (page, name) => pane(page, name).locator(".xterm-rows");

async function type(page, name, text) {
  await pane(page, name).locator(".xterm-screen").click();
  await page.keyboard.type(text);
}

// What the shell prints is not what was typed: the echo alone does not fulfil this.
const shows = (page, name, text) =>
  until(
    `${name} shows ${text}`,
    async () => (await screen(page, name).innerText()).replaceAll("\u00a0", " ").includes(text),
    { seconds: 20 },
  );

async function four(page) {
  await goto(page, "/links", "Links");
  for (const id of ids) await page.getByLabel(`Choose ${id}`, { exact: true }).check();
  await page.getByRole("link", { name: "Open terminals" }).click();
  await page.waitForURL(/\/terminal\/[^?]+$/);
  for (const name of "ABCD")
    await pane(page, name).getByText("Connected", { exact: true }).waitFor();
}

async function closed(page) {
  await page.getByRole("button", { name: "Close…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await page.getByRole("heading", { name: "New session" }).waitFor();
}

test("four panes are typed into, and are there again after a reload", async () => {
  const page = await world.tab();
  await four(page);
  for (const name of "ABCD") await type(page, name, `echo $((40 + 2))-${name}; stty size\r`);
  for (const name of "ABCD") await shows(page, name, `42-${name}`);
  await accessible(page);
  await type(page, "A", "printf '\\033[31mred\\033[0m \\033[38;2;10;200;10mtrue\\033[0m\\n'\r");
  await until("colours", async () => (await screen(page, "A").locator(".xterm-fg-1").count()) > 0);
  await until(
    "true colours",
    async () => (await screen(page, "A").locator("span[style*='rgb']").count()) > 0,
  );
  await page.reload();
  for (const name of "ABCD") {
    await pane(page, name).getByText("Connected", { exact: true }).waitFor();
    await shows(page, name, `42-${name}`);
  }
  await type(page, "C", "echo still $((6 * 7))\r");
  await shows(page, "C", "still 42");
  await closed(page);
});

// Firefox and Safari have no WebSocketStream.
const withoutStreams = (page) => page.addInitScript(() => delete globalThis.WebSocketStream);

test("a browser without socket streams has terminals too", async () => {
  const page = await world.tab();
  await withoutStreams(page);
  await goto(page, "/terminal?targets=host-a,host-b", "Terminal");
  assert.equal(await page.evaluate(() => "WebSocketStream" in globalThis), false);
  for (const name of "AB") await pane(page, name).getByText("Connected", { exact: true }).waitFor();
  await type(page, "A", "seq 1 20000; echo plain-$((2 + 2))\r");
  await shows(page, "A", "plain-4");
  await page.reload();
  await shows(page, "A", "plain-4");
  await type(page, "B", "echo plain-$((3 + 3))\r");
  await shows(page, "B", "plain-6");
  await closed(page);
});

for (const streams of [true, false]) {
  const kind = streams ? "stream" : "plain socket";
  const socket = /\/ws\?/;
  const sockets = async () =>
    (await world.fleet.call("GET", "/api/terminal/workspaces")).reduce(
      (sum, one) => sum + one.sockets,
      0,
    );

  test(`whoever leaves while a ${kind} is opened leaves none behind`, async () => {
    const wire = await startWire(world.fleet.url);
    try {
      const page = await world.browser.tab({ url: wire.url }, { session: world.session });
      if (!streams) await withoutStreams(page);
      wire.hold(socket);
      await goto(page, "/terminal?targets=host-a", "Terminal");
      await until("the socket is asked for", () => wire.open(socket) === 1);
      await page.getByRole("link", { name: "Sessions" }).click();
      await page.getByRole("heading", { name: "New session" }).waitFor();
      wire.release();
      await until("no socket is left", () => wire.open(socket) === 0);
      assert.equal(await sockets(), 0);
      await page.getByRole("link", { name: "Open", exact: true }).click();
      await pane(page, "A").getByRole("button", { name: "Connect to host-a" }).click();
      await pane(page, "A").getByText("Connected", { exact: true }).waitFor();
      assert.equal(await sockets(), 1);
      await closed(page);
    } finally {
      wire.close();
    }
  });

  test(`a ${kind} that is dead is noticed, and taken up again`, async () => {
    const wire = await startWire(world.fleet.url);
    try {
      const page = await world.browser.tab(
        { url: wire.url },
        { session: world.session, faults: ["ERR_"] },
      );
      if (!streams) await withoutStreams(page);
      await goto(page, "/terminal?targets=host-a", "Terminal");
      await pane(page, "A").getByText("Connected", { exact: true }).waitFor();
      await type(page, "A", "echo here-$((1 + 2))\r");
      await shows(page, "A", "here-3");
      assert.equal(wire.hush(socket), 1);
      await page.context().setOffline(true);
      await page.getByText("The connection is lost").waitFor();
      await page.context().setOffline(false);
      await page.getByText("The connection is lost").waitFor({ state: "detached" });
      await type(page, "A", "echo again-$((1 + 2))\r");
      await shows(page, "A", "again-3");
      await closed(page);
    } finally {
      wire.close();
    }
  });
}

test("a session that was left is in the list, and comes back", async () => {
  const page = await world.open("/terminal?targets=host-b", "Terminal");
  await pane(page, "A").getByText("Connected", { exact: true }).waitFor();
  await type(page, "A", "echo before-$((1 + 1))\r");
  await shows(page, "A", "before-2");
  await goto(page, "/terminal", "Terminal");
  const card = page.getByRole("article").filter({ hasText: "host-b" });
  await card.getByText("detached").waitFor();
  await accessible(page);
  await card.getByRole("link", { name: "Open" }).click();
  await shows(page, "A", "before-2");
  await closed(page);
});

test("what is typed into all goes to all, and nobody can overlook it", async () => {
  const page = await world.tab();
  await four(page);
  await page.getByRole("button", { name: "Type into all" }).click();
  const dialog = page.getByRole("dialog", { name: "Type into 4 machines at once?" });
  assert.deepEqual(await dialog.locator(".names li").allInnerTexts(), ids);
  await dialog.getByRole("button", { name: "Type into all" }).click();
  await page
    .getByText("What you type goes to 4 machines: host-a, host-b, host-c and host-d")
    .waitFor();
  assert.equal(
    await pane(page, "D").evaluate((one) => getComputedStyle(one).borderTopWidth),
    "3px",
  );
  await accessible(page);
  await type(page, "B", "echo all-$((3 * 3))\r");
  for (const name of "ABCD") await shows(page, name, "all-9");
  await page.getByRole("button", { name: "Turn it off" }).click();
  await type(page, "B", "echo one-$((3 * 4))\r");
  await shows(page, "B", "one-12");
  assert.doesNotMatch(await screen(page, "A").innerText(), /one-12/);
  await closed(page);
});

test("who comes to the others later hears nothing that was not agreed to", async () => {
  const page = await world.open("/terminal?targets=host-a,host-b,host-c", "Terminal");
  for (const name of "ABC")
    await pane(page, name).getByText("Connected", { exact: true }).waitFor();
  const cut = page.getByRole("button", { name: "Disconnect, pane C" });
  const link = pane(page, "C").getByRole("button", { name: "Connect to host-c" });
  await cut.click();
  await link.waitFor();
  await page.getByRole("button", { name: "Type into all" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Type into all" }).click();
  await page.getByText("What you type goes to 2 machines: host-a and host-b").waitFor();
  await link.click();
  await pane(page, "C").getByText("Connected", { exact: true }).waitFor();
  await type(page, "A", "echo two-$((2 + 3))\r");
  for (const name of "AB") await shows(page, name, "two-5");
  await type(page, "C", "echo three-$((1 + 2))\r");
  await shows(page, "C", "three-3");
  assert.doesNotMatch(await screen(page, "C").innerText(), /two-5/);
  assert.doesNotMatch(await screen(page, "A").innerText(), /three-3/);
  await page.getByText("What you type goes to 2 machines: host-a and host-b").waitFor();
  await page.getByRole("button", { name: "Disconnect, pane B" }).click();
  await page.getByText("What you type goes to").waitFor({ state: "hidden" });
  await closed(page);
});

test("keys belong to the machine, but for those that lead out", async () => {
  const page = await world.open("/terminal?targets=host-a,host-b", "Terminal");
  for (const name of "AB") await pane(page, name).getByText("Connected", { exact: true }).waitFor();
  await type(page, "A", "cat -v\r");
  await page.keyboard.press("Control+k");
  await page.keyboard.press("?");
  await page.keyboard.press("/");
  await page.keyboard.press("Enter");
  await shows(page, "A", "^K?/");
  assert.equal(await page.getByRole("dialog").count(), 0);
  await page.keyboard.press("Control+c");
  await page.keyboard.press("Alt+Shift+Digit2");
  await page.keyboard.type("echo in-$((1 + 4))\r");
  await shows(page, "B", "in-5");
  await page.keyboard.press("Alt+Shift+Digit0");
  assert.ok(await page.evaluate(() => document.activeElement.closest(".actions") !== null));
  const edge = page.getByRole("separator");
  const before_ = await pane(page, "A").evaluate((one) => one.clientWidth);
  await edge.focus();
  await page.keyboard.press("ArrowRight");
  assert.ok((await pane(page, "A").evaluate((one) => one.clientWidth)) > before_);
  const box = await edge.boundingBox();
  await page.mouse.move(box.x + 3, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x - 200, box.y + 50, { steps: 5 });
  await page.mouse.up();
  assert.ok((await pane(page, "A").evaluate((one) => one.clientWidth)) < before_);
  await type(page, "A", "stty size\r");
  const columns = await pane(page, "A")
    .locator(".xterm-rows > div")
    .first()
    .evaluate(() => document.querySelector(".pane").clientWidth);
  await until("the machine knows the new width", async () => {
    const found = [...(await screen(page, "A").innerText()).matchAll(/\b\d+ (\d+)\b/g)].at(-1);
    return found && Math.abs(Number(found[1]) - columns / 7.8) < 8;
  });
  await closed(page);
});

test("a machine that cannot be reached says why", async () => {
  await world.fleet.call("POST", "/api/links/verify", {});
  const page = await world.open("/terminal?targets=host-down,nowhere", "Terminal");
  await page
    .getByRole("region", { name: "Notes" })
    .getByText("host-down is not enrolled. nowhere is not in the inventory.")
    .waitFor();
  assert.equal(
    await page.getByLabel("Machine of pane A").locator("option", { hasText: "host-down" }).count(),
    0,
  );
  await page.getByRole("button", { name: "Two side by side" }).click();
  await page.getByLabel("Machine of pane B").selectOption("host-c");
  await accessible(page);
  await page.getByRole("button", { name: "Open" }).click();
  await pane(page, "B").getByText("Connected", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Disconnect, pane B" }).click();
  await pane(page, "B").getByRole("button", { name: "Connect to host-c" }).waitFor();
  await accessible(page);
  await pane(page, "B").getByLabel("Machine of pane B").selectOption("host-d");
  await pane(page, "B").getByRole("button", { name: "Connect to host-d" }).click();
  await pane(page, "B").getByText("Connected", { exact: true }).waitFor();
  await closed(page);
});

test("much output at once is drawn to its end, with a heap that stays flat", async () => {
  const page = await world.open("/terminal?targets=host-a", "Terminal");
  await pane(page, "A").getByText("Connected", { exact: true }).waitFor();
  const client = await page.context().newCDPSession(page);
  const heap = async () => {
    await client.send("HeapProfiler.collectGarbage");
    return (await client.send("Runtime.getHeapUsage")).usedSize;
  };
  await type(page, "A", "seq 1 12000; echo warm-$((5 + 5))\r");
  await shows(page, "A", "warm-10");
  const first = await heap();
  await type(page, "A", "seq 1000000 2500000; echo over-$((5 + 5))\r");
  await until(
    "the end is shown",
    async () => (await screen(page, "A").innerText()).includes("over-10"),
    { seconds: 120 },
  );
  const last = await heap();
  assert.ok(last - first < 15_000_000, `from ${first} to ${last} bytes of heap`);
  await closed(page);
});

test("a recording is played, and can be taken to any place", async () => {
  const page = await world.open("/recordings", "Recordings");
  await page.getByRole("link", { name: "host-b" }).last().waitFor();
  await accessible(page);
  const list = await world.fleet.call("GET", "/api/recordings");
  const one = list.find((each) => each.target === "host-b" && each.ended !== null);
  await goto(page, "/links/host-b", "host-b");
  await page.getByRole("link", { name: "Recording", exact: true }).first().waitFor();
  await page.locator(`.timeline a[href="/recordings/${one.id}"]`).click();
  await page.getByRole("heading", { name: "Recording" }).waitFor();
  const film = page.locator(".film .xterm-rows");
  await page.getByRole("button", { name: "Play" }).click();
  await page.getByLabel("Place in the recording").press("End");
  await until("the end of the film", async () => (await film.innerText()).length > 20);
  await accessible(page);
  await page.getByLabel("Place in the recording").press("Home");
  await until("the beginning of the film", async () => !(await film.innerText()).includes("-2"));
  await page.getByRole("button", { name: /Play/ }).click();
  await page.getByRole("button", { name: "Play again" }).waitFor();
  // Space plays, but not where it already means something.
  await page.getByLabel("Leave out pauses").press(" ");
  assert.equal(await page.getByLabel("Leave out pauses").isChecked(), false);
  await page.getByRole("button", { name: "Play again" }).waitFor();
  await page.getByRole("region", { name: "Screen" }).press("ArrowLeft");
  await page.getByRole("button", { name: "Play", exact: true }).waitFor();
  await page.getByRole("button", { name: "Play", exact: true }).press(" ");
  await page.getByRole("button", { name: "Pause" }).press(" ");
  await page.getByRole("button", { name: "Play", exact: true }).waitFor();
  await page.getByRole("region", { name: "Screen" }).press(" ");
  await page.getByRole("button", { name: "Pause" }).waitFor();
});

test("a recording shows each thing in the size that it was drawn for", async () => {
  const page = await world.open("/terminal?targets=host-c", "Terminal", { width: 900 });
  await pane(page, "A").getByText("Connected", { exact: true }).waitFor();
  const columns = async () => {
    await type(page, "A", "clear; stty size; echo size-$((1 + 1))\r");
    await shows(page, "A", "size-2");
    return Number(/\d+ (\d+)/.exec(await screen(page, "A").innerText())[1]);
  };
  const narrow = await columns();
  // Behind the last column there is none.
  await type(page, "A", "clear; printf '\\033[1;900HX\\033[4;1H'; echo drawn-$((1 + 1))\r");
  await shows(page, "A", "drawn-2");
  await page.setViewportSize({ width: 1280, height: 800 });
  await type(page, "A", "stty size; echo wide-$((1 + 1))\r");
  await shows(page, "A", "wide-2");
  const wide = Number(/(\d+)\s+wide-2/.exec(await screen(page, "A").innerText())[1]);
  assert.ok(wide > narrow, `${wide} and ${narrow} columns`);
  await closed(page);
  const one = await until("it is kept", async () =>
    (await world.fleet.call("GET", "/api/recordings")).find(
      (each) => each.target === "host-c" && each.ended !== null,
    ),
  );
  await goto(page, `/recordings/${one.id}`, "Recording");
  await page.getByLabel("Place in the recording").press("End");
  const film = page.locator(".film .xterm-rows");
  await until("its end", async () => (await film.innerText()).includes("wide-2"));
  const line = await film
    .locator("> div")
    .first()
    .evaluate((row) => row.textContent);
  assert.equal(line.indexOf("X") + 1, narrow);
});

test("on a phone there is one pane at a time", async () => {
  const page = await world.open("/terminal?targets=host-a,host-b", "Terminal", {
    width: 360,
    height: 740,
    phone: true,
  });
  await pane(page, "A").getByText("Connected", { exact: true }).waitFor();
  assert.equal(await pane(page, "B").isVisible(), false);
  await page.getByRole("group", { name: "Panes" }).getByRole("button", { name: "B" }).click();
  await pane(page, "B").getByText("Connected", { exact: true }).waitFor();
  const [wide, inner] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    innerWidth,
  ]);
  assert.ok(wide <= inner, `${wide} wide in ${inner}`);
  await accessible(page);
  await closed(page);
});
