// Operations, scripts and the repository in a browser: running, watching, stopping, running again,
// and syncing.

import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { accessible, goto, signIn } from "./browser.mjs";
import { Fleet, until } from "./fleet.mjs";
import { startWire } from "./wire.mjs";
import { able, note, useWorld } from "./world.mjs";

const world = useWorld();

// Waits until the log, which follows its end, shows that line or a later one.
const seen = (log, number) =>
  until(`line ${number} is shown`, async () => {
    const lines = await log.locator(".ln").allInnerTexts();
    return lines.some((one) => Number(/line (\d+)$/.exec(one)?.[1] ?? 0) >= number);
  });

describe("operations", () => {
  test("a run on three machines is watched to its end", async () => {
    const page = await world.open("/links?status=online", "Links");
    await page.getByLabel("Choose all rows").check();
    await page.getByRole("link", { name: "Run scripts" }).click();
    await page.getByRole("heading", { name: "Run scripts" }).waitFor();
    await page.getByText("Choose a script").first().waitFor();
    await page.getByRole("list", { name: "Scripts" }).getByText("👋 Hello").click();
    await page.getByLabel("--loud").check();
    await page.getByLabel("Value of --times").fill("3");
    await page.getByText("1 script on 3 machines").waitFor();
    await page.getByText("db-01, web-01 and web-02").waitFor();
    await accessible(page);
    await page.getByRole("button", { name: "Run on 3 machines…" }).click();
    const dialog = page.getByRole("dialog", { name: "Run on 3 machines?" });
    assert.deepEqual(await dialog.locator(".names li").allInnerTexts(), able);
    await accessible(page);
    await dialog.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByRole("heading", { name: /^OP-/ }).waitFor();
    await page.locator(".badge.ok").waitFor();
    await page.getByText("3 succeeded").waitFor();
    await page.getByRole("option", { name: /web-02/ }).click();
    const log = page.getByRole("region", { name: "Output", exact: true });
    await log.getByText(/hello from home, --loud --times=3/).waitFor();
    assert.equal(await log.locator(".bold.f-2").innerText(), "hello");
    assert.equal(await log.locator(".ln.err").innerText(), "to the side");
    await page.getByText("exit code 0").waitFor();
    await accessible(page);
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download this output" }).click();
    const file = await (await download).path();
    // Between the two streams there is no order.
    const lines = readFileSync(file, "utf8").trim().split("\n").sort();
    assert.equal(lines.length, 2, String(lines));
    assert.match(lines[0], /hello.*from home, --loud --times=3$/);
    assert.equal(lines[1], "to the side");
  });

  test("output is live, is right after a reload, and a stop ends it", async () => {
    const { operation_id: id } = await world.fleet.call("POST", "/api/operations/run", {
      scripts: ["wait", "last-line"],
      targets: able,
    });
    const page = await world.open(`/operations/${id}`, id);
    const log = page.getByRole("region", { name: "Output", exact: true });
    await seen(log, 12);
    await accessible(page);
    await page.reload();
    await seen(log, 15);
    await page.getByLabel("Search this output").fill("line 1");
    await page
      .getByText(/^\d+ of \d+$/)
      .first()
      .waitFor();
    await page.getByRole("button", { name: "Stop…" }).click();
    const dialog = page.getByRole("dialog");
    assert.deepEqual(await dialog.locator(".names li").allInnerTexts(), able);
    await dialog.getByRole("button", { name: "Stop" }).click();
    await page.locator(".badge.stop").waitFor();
    const { status, result } = await world.fleet.call("GET", `/api/operations/${id}`);
    assert.equal(status, "stopped");
    assert.equal(result.stopped + result.skipped, 6);
    const words = [
      ["stopped", result.stopped],
      ["skipped", result.skipped],
    ].filter(([, number]) => number > 0);
    await page
      .locator(".progress")
      .getByText(words.map(([word, number]) => `${number} ${word}`).join(", "))
      .waitFor();
    assert.equal(await page.getByRole("button", { name: "Stop…" }).count(), 0);
  });

  test("a tab that was cut off catches up", async () => {
    rmSync(world.fleet.path("gate"), { force: true });
    const { operation_id: id } = await world.fleet.call("POST", "/api/operations/run", {
      scripts: ["wait"],
      targets: ["web-01"],
    });
    const page = await world.open(`/operations/${id}`, id, {
      faults: [
        "ERR_INTERNET_DISCONNECTED",
        "ERR_NETWORK",
        "Failed to load resource",
        "ERR_CONNECTION",
      ],
    });
    const log = page.getByRole("region", { name: "Output", exact: true });
    await seen(log, 3);
    await world.fleet.halt();
    await page.getByText("LinkOps does not answer.").waitFor();
    writeFileSync(world.fleet.path("gate"), "");
    await world.fleet.launch();
    await page.locator(".badge.ok").waitFor();
    await page.getByText("LinkOps does not answer.").waitFor({ state: "hidden" });
    const { logs } = await world.fleet.call("GET", `/api/operations/${id}`);
    const lines = logs[0].stdout.trim().split("\n");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download this output" }).click();
    const text = readFileSync(await (await download).path(), "utf8");
    assert.deepEqual(text.trim().split("\n"), lines, "each line once, in order");
  });

  // Starts a script that waits for the gate, and watches it over a wire that the test has in hand.
  async function watched(script, run) {
    rmSync(world.fleet.path("gate"), { force: true });
    const body = { scripts: [script], targets: ["web-01"] };
    const { operation_id: id } = await world.fleet.call("POST", "/api/operations/run", body);
    const wire = await startWire(world.fleet.url);
    try {
      const faults = ["ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE_CHUNKED_ENCODING"];
      const more = { session: world.session, faults };
      const page = await world.browser.tab({ url: wire.url }, more);
      await page.clock.install();
      await goto(page, `/operations/${id}`, id);
      await run(page, wire);
      writeFileSync(world.fleet.path("gate"), "");
      await page.locator(".badge.ok").waitFor();
    } finally {
      wire.close();
    }
  }
  const stream = /\/events/;

  test("a stream that falls silent is noticed and taken up again", () =>
    watched("wait", async (page, wire) => {
      const log = page.getByRole("region", { name: "Output", exact: true });
      await seen(log, 3);
      assert.equal(wire.hush(stream), 1);
      const again = page.waitForRequest(stream);
      await page.clock.fastForward(41_000);
      await again;
      const shown = Number(/line (\d+)$/.exec(await log.locator(".ln").last().innerText())[1]);
      await seen(log, shown + 10);
      await page.getByText("Connection lost").waitFor({ state: "detached" });
      // After a sleep it is doubted earlier.
      assert.equal(wire.hush(stream), 1);
      const third = page.waitForRequest(stream);
      await page.clock.fastForward(21_000);
      await page.evaluate(() => dispatchEvent(new Event("online")));
      await third;
      await seen(log, shown + 20);
    }));

  test("a stream that is there again is not called lost, also when nothing is said", () =>
    watched("quiet", async (page, wire) => {
      await page.getByText("It has printed nothing yet.").waitFor();
      wire.hold(stream);
      assert.equal(wire.cut(stream), 1);
      await page.getByText("Connection lost; reconnecting").waitFor();
      wire.release();
      await page.getByText("Connection lost; reconnecting").waitFor({ state: "detached" });
    }));

  test("what has failed runs again", async () => {
    writeFileSync(world.fleet.path("fault"), "");
    const id = await world.fleet.run(["picky"], able);
    const page = await world.open(`/operations/${id}`, id);
    await page.locator(".badge.fail").waitFor();
    await page.getByRole("button", { name: "First failure" }).click();
    await page
      .getByRole("region", { name: "Output", exact: true })
      .getByText("the fault is there")
      .waitFor();
    await page.getByText("exit code 3").waitFor();
    rmSync(world.fleet.path("fault"));
    await page.getByRole("button", { name: "Retry unfinished…" }).click();
    const dialog = page.getByRole("dialog");
    assert.deepEqual(await dialog.locator(".names li").allInnerTexts(), able);
    await dialog.getByRole("button", { name: "Run again" }).click();
    await page.getByRole("link", { name: id, exact: true }).waitFor();
    await page.locator(".badge.ok").waitFor();
    await page.getByText("3 succeeded").waitFor();
    await accessible(page);
  });

  test("equal outputs stand together, and others show how they differ", async () => {
    const id = await world.fleet.run(["kinds"], able);
    const page = await world.open(`/operations/${id}?view=groups`, id);
    await page.getByText("2 different results on 3 machines").waitFor();
    const first = page.getByRole("article").first();
    await first.getByText("12.4").waitFor();
    assert.deepEqual(await first.locator(".targets li").allInnerTexts(), ["db-01", "web-01"]);
    const other = page.getByRole("article").nth(1);
    assert.equal((await other.locator(".diff .removed").innerText()).trim(), "-12.4");
    assert.equal((await other.locator(".diff .added").innerText()).trim(), "+12.5");
    await accessible(page);
    await other.getByRole("button", { name: "web-02" }).click();
    await page.getByRole("region", { name: "Output", exact: true }).getByText("12.5").waitFor();
    assert.match(page.url(), /machine=web-02/);
  });

  test("waves stop when too many have failed", async () => {
    writeFileSync(world.fleet.path("fault"), "");
    const page = await world.open(
      "/operations/new?scripts=picky&targets=db-01,web-01,web-02",
      "Run scripts",
    );
    await page.getByLabel("Waves").fill("1, everything");
    await page.getByRole("button", { name: "Run on 3 machines…" }).click();
    await page.getByText("everything is neither a number").waitFor();
    await page.getByLabel("Waves").fill("1, rest");
    await page.getByRole("button", { name: "Run on 3 machines…" }).click();
    await page.getByText("In waves of 1, rest; none begins when a machine has failed.").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Run", exact: true }).click();
    await page.getByText("1 failed, 2 skipped").waitFor();
    await page.getByText("2 waves").waitFor();
    await page.getByRole("option", { name: /web-02/ }).click();
    await page
      .getByText("stopped after wave 1: 1 target failed")
      .or(page.getByText("stopped after wave 1: 1 targets failed"))
      .waitFor();
    rmSync(world.fleet.path("fault"));
  });

  test("a run of before runs again as carefully as it did", async () => {
    const how = { concurrency: 2, on_failure: "continue", waves: [1, "rest"], max_failures: 1 };
    const flags = { hello: ["--loud", "--times=4"] };
    const id = await world.fleet.run(["hello", "last-line"], able, { ...how, flags });
    const page = await world.open(`/operations/${id}`, id);
    await page.getByRole("button", { name: "More", exact: true }).click();
    await page.getByRole("menuitem", { name: "Run again…" }).click();
    await page.getByRole("heading", { name: "Run scripts" }).waitFor();
    assert.equal(await page.getByLabel("Waves").inputValue(), "1, rest");
    await page.getByRole("button", { name: "Run on 3 machines…" }).click();
    await page.getByText("none begins when more than 1 have failed").waitFor();
    await page.getByText("the next script runs after a failure too").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Run", exact: true }).click();
    await page.waitForURL((url) => /OP-/.test(url) && !url.pathname.endsWith(id));
    await page.locator(".badge.ok").waitFor();
    const found = (name) => world.fleet.call("GET", `/api/operations/${name}`);
    const [old, again] = [await found(id), await found(page.url().split("/").pop())];
    const same = ["scripts", "targets", "flags", "concurrency", "on_failure", "waves"];
    for (const name of [...same, "max_failures"]) assert.deepEqual(again[name], old[name], name);
  });

  test("a run without more takes what the configuration says", async () => {
    const page = await world.open("/operations/new?scripts=hello&targets=web-01", "Run scripts");
    const sent = page.waitForRequest("**/api/operations/run");
    await page.getByText("About 1.0 s on each machine").waitFor();
    await page.getByRole("button", { name: "Run on 1 machine…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Run", exact: true }).click();
    assert.equal("concurrency" in (await sent).postDataJSON(), false);
    await page.locator(".badge.ok").waitFor();
  });

  test("what is not enrolled is named, and can be left out", async () => {
    const page = await world.open(
      "/operations/new?scripts=hello&targets=web-01,edge-01",
      "Run scripts",
      {
        faults: ["403"],
      },
    );
    await page.getByText("Not enrolled, so the run will be refused: edge-01").waitFor();
    await page.getByRole("button", { name: "Run on 2 machines…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Run", exact: true }).click();
    await page.getByText("ENROLLMENT_REQUIRED").waitFor();
    await accessible(page);
    await page.getByRole("button", { name: "Leave them out" }).first().click();
    await page.getByText("1 script on 1 machine").waitFor();
  });

  test("machines are chosen by tag and type", async () => {
    const page = await world.open("/operations/new", "Run scripts");
    const traits = page.getByRole("group", { name: "Choose by type and tag" });
    await traits.getByRole("button", { name: /^web/ }).click();
    await page.getByText("web-01 and web-02").waitFor();
    await traits.getByRole("button", { name: /^db/ }).click();
    await page.getByText("db-01, web-01 and web-02").waitFor();
    await traits.getByRole("button", { name: /^VPS/ }).click();
    await page.getByText("web-01 and web-02").waitFor();
  });

  test("what is seen as chosen is what runs, whatever was checked by hand", async () => {
    const page = await world.open("/operations/new?scripts=hello", "Run scripts");
    const list = page.getByRole("group", { name: "Machines", exact: true });
    const box = (id) => list.getByRole("checkbox", { name: id });
    const press = (name) => page.getByRole("button", { name }).click();
    const checked = () =>
      list
        .locator("label:has(:checked) .grow")
        .evaluateAll((labels) => labels.map((one) => one.textContent).sort());
    await press("All shown");
    await box("web-01").uncheck();
    await page.getByText("1 script on 3 machines").waitFor();
    assert.deepEqual(await checked(), ["db-01", "edge-01", "web-02"]);
    await press("All shown");
    await page.getByText("1 script on 4 machines").waitFor();
    assert.deepEqual(await checked(), ["db-01", "edge-01", "web-01", "web-02"]);
    await press("None");
    await box("edge-01").check();
    await page.getByText("1 script on 1 machine").waitFor();
    await press("Leave them out");
    await page.getByText("Choose machines").waitFor();
    assert.deepEqual(await checked(), []);
    await box("web-02").check();
    await press("None");
    await page.getByText("Choose machines").waitFor();
    assert.deepEqual(await checked(), []);
  });

  test("history is filtered and its filters are in the address", async () => {
    const page = await world.open("/operations?script=wait", "Operations");
    await page.locator("td.main").first().waitFor();
    const scripts_ = await page.locator("tbody td:nth-child(3)").allInnerTexts();
    assert.ok(
      scripts_.length > 0 && scripts_.every((one) => one.includes("Wait")),
      String(scripts_),
    );
    await page.getByLabel("Status").selectOption("stopped");
    await page.waitForURL(/status=stopped/);
    await page.getByRole("cell", { name: "Stopped" }).first().waitFor();
    await accessible(page);
  });
});

describe("a long history", () => {
  const list = /\/api\/operations\?/;
  const ids = (page) => page.locator("td.main a").allInnerTexts();
  const shows = (page, wanted) =>
    until(`the list is ${wanted}`, async () => String(await ids(page)) === String(wanted));

  // The history in pages of three.
  async function history(address) {
    const made = [];
    for (const script of ["hello", "hello", "hello", "kinds", "hello", "hello", "hello"])
      made.unshift(await world.fleet.run([script], ["web-01"]));
    const page = await world.browser.tab(world.fleet, {
      session: world.session,
      faults: ["ERR_FAILED"],
    });
    const small = (request) => request.url().replace("limit=50", "limit=3");
    await page.route(list, (route, request) => route.continue({ url: small(request) }));
    await goto(page, address, "Operations");
    const older = page.getByRole("button", { name: "Show older ones" });
    return { page, made, small, older };
  }

  test("rows that newer ones push out of the first page stay", async () => {
    const { page, made, older } = await history("/operations");
    await shows(page, made.slice(0, 3));
    await older.click();
    await shows(page, made.slice(0, 6));
    made.unshift(await world.fleet.run(["hello"], ["web-01"]));
    await shows(page, made.slice(0, 7));
    made.unshift(await world.fleet.run(["hello"], ["web-01"]));
    await shows(page, made.slice(0, 8));
    await older.click();
    await until("the list goes on", async () => (await ids(page)).length > 8);
    assert.deepEqual((await ids(page)).slice(0, 9), made);
  });

  test("an answer that comes after other filters were chosen is not for them", async () => {
    const { page, made, small, older } = await history("/operations?script=hello");
    const hellos = made.filter((_, at) => at !== 3);
    await shows(page, hellos.slice(0, 3));
    let held = null;
    await page.route(/cursor=/, (route) => (held = route));
    await older.click();
    await until("older ones are asked for", () => held !== null);
    await page.getByLabel("Script").selectOption("kinds");
    const kinds = () => page.locator("tbody td:nth-child(3)").allInnerTexts();
    await until("the others are shown", async () =>
      (await kinds()).every((one) => one.includes("Kinds")),
    );
    const answer = page.waitForResponse(/cursor=/);
    await held.continue({ url: small(held.request()) });
    await (await answer).finished();
    // Two rounds later it would have been seen.
    for (let round = 0; round < 2; round += 1) await page.waitForResponse(list);
    assert.ok(
      (await kinds()).every((one) => one.includes("Kinds")),
      String(await kinds()),
    );
  });

  test("older ones that cannot be had are not silently missing", async () => {
    const { page, made, older } = await history("/operations");
    await shows(page, made.slice(0, 3));
    await page.route(/cursor=/, (route) => route.abort());
    await older.click();
    await note(page, "NO_ANSWER").waitFor();
    await page.unroute(/cursor=/);
    await older.click();
    await shows(page, made.slice(0, 6));
  });
});

describe("scripts and the repository", () => {
  test("a script shows its text and commit", async () => {
    const page = await world.open("/scripts", "Scripts");
    await page.getByRole("link", { name: "Last line", exact: true }).click();
    await page.getByRole("heading", { name: "Last line" }).waitFor();
    await page.getByText("echo last").waitFor();
    await page.getByText(world.fleet.git("rev-parse", "HEAD").slice(0, 10)).waitFor();
    await accessible(page);
  });

  test("a sync with a broken file names file and line, and one that is mended works", async () => {
    const page = await world.open("/git", "Git", { faults: ["400"] });
    const good = readFileSync(`${world.fleet.repository}/links.yaml`, "utf8");
    world.fleet.writeRepository(
      "links.yaml",
      "links:\n  web-01:\n    type: VPS\n   host: nowhere\n",
    );
    world.fleet.commit("A broken file");
    await page.getByRole("button", { name: "Sync now" }).click();
    await page.getByText("YAML_INVALID").waitFor();
    await page.getByText("links.yaml:4", { exact: true }).waitFor();
    await accessible(page);
    world.fleet.writeRepository("links.yaml", good);
    world.fleet.commit("Mended");
    await page.getByRole("button", { name: "Sync now" }).click();
    await note(page, /Synced to [0-9a-f]{10}: 4 machines/).waitFor();
    await page.getByText("YAML_INVALID").waitFor({ state: "detached" });
  });

  test("an empty inventory says what to do", async () => {
    const bare = await Fleet.start({ machines: [], scripts: {}, servers: 0 });
    try {
      const page = await world.browser.tab(bare, { session: await signIn(bare) });
      await goto(page, "/links", "Links");
      await page.getByText("No machines yet").waitFor();
      await page.getByText("clientId: LINKOPS-").waitFor();
      await accessible(page);
      await goto(page, "/", "Overview");
      await page.getByText("Nothing is running.").waitFor();
      await accessible(page);
      await goto(page, "/operations", "Operations");
      await page.getByText("Nothing has run yet").waitFor();
      await world.browser.clear();
    } finally {
      await bare.stop();
    }
  });
});
