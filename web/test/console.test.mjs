// The console in a browser, on a real server with real machines: what people do every day.

import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, afterEach, before, describe, test } from "node:test";
import { accessible, Browser, goto, signIn } from "./browser.mjs";
import { Fleet, until } from "./fleet.mjs";

const bash = (text) => `#!/bin/bash -eu\n${text}\n`;
const machine = (id, type, tags, more = {}) => ({ id, type, tags, provider: "test", ...more });

const machines = [
  machine("web-01", "VPS", ["web"]),
  machine("web-02", "VPS", ["web"]),
  machine("db-01", "VM", ["db"]),
  machine("edge-01", "VPS", ["edge"], { down: true }),
];
const able = ["db-01", "web-01", "web-02"];

let fleet;
let browser;
let session;

before(async () => {
  fleet = await Fleet.start({ machines, scripts: scripts() });
  fleet.addUser("vera", "viewer", "look, do not touch");
  fleet.addUser("lena", "viewer", "to be locked out");
  await fleet.sync();
  browser = await Browser.start();
  session = await signIn(fleet);
});
after(async () => {
  await browser?.stop();
  await fleet?.stop();
});
afterEach(() => browser.clear());

function scripts() {
  return {
    hello: { name: "Hello", emoji: "👋", estimatedDuration: 1, flags: ["--loud", "--times=1"], tags: ["safe"], text: bash(`printf '\\e[1;32mhello\\e[0m from %s, %s\\n' "$(basename "$HOME")" "$*"; echo "to the side" >&2`) },
    // Goes on until the test says so.
    wait: { name: "Wait", estimatedDuration: 2, text: bash(`for n in {1..3000}; do echo "line $n"; [[ -e @GATE@ ]] && exit 0; sleep 0.1; done`) },
    // Fails while the test wants it to.
    picky: { name: "Picky", text: bash(`[[ -e @FAULT@ ]] && { echo "the fault is there" >&2; exit 3; }; echo fine`) },
    // Two kinds of machines: those on the first server, and those on the second.
    kinds: { name: "Kinds", text: bash(`echo common; [[ $HOME == *sshd-1* ]] && echo "12.5" || echo "12.4"`) },
    "last-line": { name: "Last line", text: bash("echo one\necho last") },
  };
}

const open = (address, heading, more = {}) =>
  browser.tab(fleet, { session, ...more }).then(async (page) => {
    await goto(page, address, heading);
    return page;
  });

const note = (page, text) => page.getByRole("region", { name: "Notes" }).getByText(text);

describe("signing in", () => {
  test("leads to where one wanted to go, and out again", async () => {
    const page = await browser.tab(fleet, { faults: ["401"] });
    await page.goto("/scripts?q=hello");
    await page.getByLabel("User name").fill("admin");
    await page.getByLabel("Password").fill("not it, by far");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("INVALID_CREDENTIALS").or(page.getByRole("alert").getByText(/wrong|password/i)).first().waitFor();
    await accessible(page);
    await page.getByLabel("Password").fill(fleet.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Scripts" }).waitFor();
    assert.equal(new URL(page.url()).search, "?q=hello");
    const tokens = await page.evaluate(() => [location.href, ...performance.getEntriesByType("resource").map((one) => one.name)].filter((one) => one.includes("eyJ")));
    assert.deepEqual(tokens, [], "no token is in an address");
    await page.getByRole("button", { name: /account, theme, sign out/ }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    await page.goto("/links");
    await page.getByRole("button", { name: "Sign in" }).waitFor();
  });

  test("says when a lock ends", async () => {
    const page = await browser.tab(fleet, { faults: ["401", "403"] });
    await page.goto("/signin");
    await page.getByLabel("User name").fill("lena");
    for (let attempt = 0; attempt < 6; attempt += 1) {
      await page.getByLabel("Password").fill(`wrong ${attempt}`);
      const answer = page.waitForResponse("**/api/auth/login");
      await page.getByRole("button", { name: "Sign in" }).click();
      await answer;
    }
    await page.getByText("this account is locked").waitFor();
    await page.getByText(/It opens at \d+:\d+:\d+ \( *in [45]:\d\d/).waitFor();
    await accessible(page);
  });

  test("a password is changed, and the old one is good no more", async () => {
    fleet.addUser("paul", "operator", "the first password");
    const page = await open("/account", "Account", { session: await signIn(fleet, "paul", "the first password") });
    await page.getByLabel("Present password").fill("the first password");
    await page.getByLabel("New password", { exact: true }).fill("short");
    await page.getByRole("button", { name: "Change password" }).click();
    await page.getByText("Take at least 8 characters.").waitFor();
    await accessible(page);
    await page.getByLabel("New password", { exact: true }).fill("the second password");
    await page.getByLabel("New password again").fill("the second password");
    await page.getByRole("button", { name: "Change password" }).click();
    await note(page, "Your password was changed.").waitFor();
    await page.goto("/scripts");
    await page.getByRole("link", { name: "Hello", exact: true }).waitFor();
    await signIn(fleet, "paul", "the second password");
    await assert.rejects(signIn(fleet, "paul", "the first password"));
  });

  test("a viewer sees no buttons for what is not allowed", async () => {
    const page = await open("/links", "Links", { session: await signIn(fleet, "vera", "look, do not touch") });
    await page.getByRole("link", { name: "web-01" }).waitFor();
    assert.equal(await page.getByRole("button", { name: "Verify all" }).count(), 0);
    assert.equal(await page.getByRole("link", { name: "Users" }).count(), 0);
    await page.goto("/operations/new");
    await page.getByText("This page is for the role operator").waitFor();
  });
});

describe("machines", () => {
  test("are filtered by the address, and the address by filters", async () => {
    const page = await open("/links?type=VPS&status=online", "Links");
    const names = () => page.locator("td.main a").allInnerTexts();
    await page.getByText("2 of 4 machines").waitFor();
    assert.deepEqual(await names(), ["web-01", "web-02"]);
    assert.equal(await page.getByLabel("Type").inputValue(), "VPS");
    await page.getByLabel("Status").selectOption("offline");
    await page.getByText("1 of 4 machines").waitFor();
    assert.deepEqual(await names(), ["edge-01"]);
    assert.match(page.url(), /status=offline/);
    await page.getByRole("button", { name: "Clear filters" }).click();
    await page.getByText("4 machines", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Name" }).click();
    await page.getByRole("button", { name: "Name" }).click();
    assert.deepEqual(await names(), ["web-02", "web-01", "edge-01", "db-01"]);
    assert.match(page.url(), /sort=name&dir=desc/);
    await page.reload();
    await page.getByText("4 machines", { exact: true }).waitFor();
    assert.deepEqual(await names(), ["web-02", "web-01", "edge-01", "db-01"]);
    await page.keyboard.press("/");
    await page.keyboard.type("edge");
    await page.getByText("1 of 4 machines").waitFor();
    await accessible(page);
  });

  test("stand on a map by their jump hosts", async () => {
    const page = await open("/links?view=map", "Links");
    await page.getByRole("region", { name: "VM, reached directly" }).getByText("db-01").waitFor();
    await accessible(page);
  });

  test("one of them with its timeline, and how to enrol it", async () => {
    const id = await fleet.run(["hello"], ["db-01"]);
    const page = await open("/links/db-01", "db-01");
    await page.getByRole("region", { name: "Timeline" }).getByRole("link", { name: id }).waitFor();
    const client = readFileSync(fleet.path("ids", "db-01"), "utf8").trim();
    await page.getByText(client).waitFor();
    await accessible(page);
    writeFileSync(fleet.path("ids", "db-01"), "LINKOPS-of-another-machine\n");
    await page.getByRole("button", { name: "Verify" }).click();
    await page.getByText("db-01 is not enrolled").waitFor();
    await page.getByText(`echo ${client} > /etc/linkops/client_id`).waitFor();
    await accessible(page);
    writeFileSync(fleet.path("ids", "db-01"), `${client}\n`);
    await page.getByRole("button", { name: "Verify" }).click();
    await note(page, "db-01 is the machine that the inventory means.").waitFor();
    await page.getByText("db-01 is not enrolled").waitFor({ state: "detached" });
  });

  test("its latencies are a line, of a day or a week", async () => {
    await fleet.check(4);
    const page = await open("/links/web-02", "web-02");
    await page.getByRole("img", { name: /^Latency: [4-9] answers, \d+ to \d+ ms; 0 without an answer$/ }).waitFor();
    await page.locator(".chart canvas").waitFor();
    await page.getByRole("button", { name: "Week" }).click();
    await page.locator(".chart .u-over").hover();
    await page.getByText(/\d\d:\d\d:\d\d: \d+ ms/).waitFor();
    await accessible(page);
    await goto(page, "/links", "Links");
    await page.getByRole("img", { name: /^web-02: \d+ to \d+ ms in/ }).waitFor();
  });

  test("one that is not there says so", async () => {
    const page = await browser.tab(fleet, { session, faults: ["404"] });
    await page.goto("/links/nowhere");
    await page.getByText("LINK_NOT_FOUND").waitFor();
    await page.goto("/nothing/at/all");
    assert.match(await page.locator("body").innerText(), /NOT_FOUND|TOKEN_MISSING/);
  });
});

describe("operations", () => {
  test("a run on three machines is watched to its end", async () => {
    const page = await open("/links?status=online", "Links");
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
    assert.match(readFileSync(file, "utf8"), /^.*hello.*--times=3\n?[^]*to the side\n/);
  });

  test("output is live, is right after a reload, and a stop ends it", async () => {
    const { operation_id: id } = await fleet.call("POST", "/api/operations/run", { scripts: ["wait", "last-line"], targets: able });
    const page = await open(`/operations/${id}`, id);
    const log = page.getByRole("region", { name: "Output", exact: true });
    await log.getByText("line 5", { exact: true }).waitFor();
    await log.getByText("line 12", { exact: true }).waitFor();
    await accessible(page);
    await page.reload();
    await log.getByText("line 15", { exact: true }).waitFor();
    await page.getByLabel("Search this output").fill("line 1");
    await page.getByText(/^\d+ of \d+$/).first().waitFor();
    await page.getByRole("button", { name: "Stop…" }).click();
    const dialog = page.getByRole("dialog");
    assert.deepEqual(await dialog.locator(".names li").allInnerTexts(), able);
    await dialog.getByRole("button", { name: "Stop" }).click();
    await page.locator(".badge.stop").waitFor();
    const { status, result } = await fleet.call("GET", `/api/operations/${id}`);
    assert.equal(status, "stopped");
    assert.equal(result.stopped + result.skipped, 6);
    const words = [["stopped", result.stopped], ["skipped", result.skipped]].filter(([, number]) => number > 0);
    await page.locator(".progress").getByText(words.map(([word, number]) => `${number} ${word}`).join(", ")).waitFor();
    assert.equal(await page.getByRole("button", { name: "Stop…" }).count(), 0);
  });

  test("a tab that was cut off catches up", async () => {
    rmSync(fleet.path("gate"), { force: true });
    const { operation_id: id } = await fleet.call("POST", "/api/operations/run", { scripts: ["wait"], targets: ["web-01"] });
    const page = await open(`/operations/${id}`, id, { faults: ["ERR_INTERNET_DISCONNECTED", "ERR_NETWORK", "Failed to load resource", "ERR_CONNECTION"] });
    const log = page.getByRole("region", { name: "Output", exact: true });
    await log.getByText("line 3", { exact: true }).waitFor();
    await fleet.halt();
    await page.getByText("LinkOps does not answer.").waitFor();
    writeFileSync(fleet.path("gate"), "");
    await fleet.launch();
    await page.locator(".badge.ok").waitFor();
    await page.getByText("LinkOps does not answer.").waitFor({ state: "hidden" });
    const { logs } = await fleet.call("GET", `/api/operations/${id}`);
    const lines = logs[0].stdout.trim().split("\n");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download this output" }).click();
    const text = readFileSync(await (await download).path(), "utf8");
    assert.deepEqual(text.trim().split("\n"), lines, "each line once, in order");
  });

  test("what has failed runs again", async () => {
    writeFileSync(fleet.path("fault"), "");
    const id = await fleet.run(["picky"], able);
    const page = await open(`/operations/${id}`, id);
    await page.locator(".badge.fail").waitFor();
    await page.getByRole("button", { name: "First failure" }).click();
    await page.getByRole("region", { name: "Output", exact: true }).getByText("the fault is there").waitFor();
    await page.getByText("exit code 3").waitFor();
    rmSync(fleet.path("fault"));
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
    const id = await fleet.run(["kinds"], able);
    const page = await open(`/operations/${id}?view=groups`, id);
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
    writeFileSync(fleet.path("fault"), "");
    const page = await open("/operations/new?scripts=picky&targets=db-01,web-01,web-02", "Run scripts");
    await page.getByLabel("Waves").fill("1, everything");
    await page.getByRole("button", { name: "Run on 3 machines…" }).click();
    await page.getByText("everything is neither a number").waitFor();
    await page.getByLabel("Waves").fill("1, rest");
    await page.getByRole("button", { name: "Run on 3 machines…" }).click();
    await page.getByText("In waves of 1, rest.").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Run", exact: true }).click();
    await page.getByText("1 failed, 2 skipped").waitFor();
    await page.getByText("2 waves").waitFor();
    await page.getByRole("option", { name: /web-02/ }).click();
    await page.getByText("stopped after wave 1: 1 target failed").or(page.getByText("stopped after wave 1: 1 targets failed")).waitFor();
    rmSync(fleet.path("fault"));
  });

  test("what is not enrolled is named, and can be left out", async () => {
    const page = await open("/operations/new?scripts=hello&targets=web-01,edge-01", "Run scripts", { faults: ["403"] });
    await page.getByText("Not enrolled, so the run will be refused: edge-01").waitFor();
    await page.getByRole("button", { name: "Run on 2 machines…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Run", exact: true }).click();
    await page.getByText("ENROLLMENT_REQUIRED").waitFor();
    await accessible(page);
    await page.getByRole("button", { name: "Leave them out" }).first().click();
    await page.getByText("1 script on 1 machine").waitFor();
  });

  test("machines are chosen by tag and type", async () => {
    const page = await open("/operations/new", "Run scripts");
    const traits = page.getByRole("group", { name: "Choose by type and tag" });
    await traits.getByRole("button", { name: /^web/ }).click();
    await page.getByText("web-01 and web-02").waitFor();
    await traits.getByRole("button", { name: /^db/ }).click();
    await page.getByText("db-01, web-01 and web-02").waitFor();
    await traits.getByRole("button", { name: /^VPS/ }).click();
    await page.getByText("web-01 and web-02").waitFor();
  });

  test("history is filtered and its filters are in the address", async () => {
    const page = await open("/operations?script=wait", "Operations");
    await page.locator("td.main").first().waitFor();
    const scripts_ = await page.locator("tbody td:nth-child(3)").allInnerTexts();
    assert.ok(scripts_.length > 0 && scripts_.every((one) => one.includes("Wait")), String(scripts_));
    await page.getByLabel("Status").selectOption("stopped");
    await page.waitForURL(/status=stopped/);
    await page.getByRole("cell", { name: "Stopped" }).first().waitFor();
    await accessible(page);
  });
});

describe("scripts and the repository", () => {
  test("a script shows its text and commit", async () => {
    const page = await open("/scripts", "Scripts");
    await page.getByRole("link", { name: "Last line", exact: true }).click();
    await page.getByRole("heading", { name: "Last line" }).waitFor();
    await page.getByText("echo last").waitFor();
    await page.getByText(fleet.git("rev-parse", "HEAD").slice(0, 10)).waitFor();
    await accessible(page);
  });

  test("a sync with a broken file names file and line, and one that is mended works", async () => {
    const page = await open("/git", "Git", { faults: ["400"] });
    const good = readFileSync(`${fleet.repository}/links.yaml`, "utf8");
    fleet.writeRepository("links.yaml", "links:\n  web-01:\n    type: VPS\n   host: nowhere\n");
    fleet.commit("A broken file");
    await page.getByRole("button", { name: "Sync now" }).click();
    await page.getByText("YAML_INVALID").waitFor();
    await page.getByText("links.yaml:4", { exact: true }).waitFor();
    await accessible(page);
    fleet.writeRepository("links.yaml", good);
    fleet.commit("Mended");
    await page.getByRole("button", { name: "Sync now" }).click();
    await note(page, /Synced to [0-9a-f]{10}: 4 machines/).waitFor();
    await page.getByText("YAML_INVALID").waitFor({ state: "detached" });
  });

  test("an empty inventory says what to do", async () => {
    const bare = await Fleet.start({ machines: [], scripts: {}, servers: 0 });
    try {
      const page = await browser.tab(bare, { session: await signIn(bare) });
      await goto(page, "/links", "Links");
      await page.getByText("No machines yet").waitFor();
      await page.getByText("clientId: LINKOPS-").waitFor();
      await accessible(page);
      await goto(page, "/", "Overview");
      await page.getByText("Nothing is running.").waitFor();
      await accessible(page);
      await goto(page, "/operations", "Operations");
      await page.getByText("Nothing has run yet").waitFor();
      await browser.clear();
    } finally {
      await bare.stop();
    }
  });
});

describe("everywhere", () => {
  test("themes are switched and kept, and all have enough contrast", async () => {
    const page = await open("/", "Overview");
    assert.equal(await page.locator("html").getAttribute("data-theme"), "light");
    for (const name of ["Dark", "Paper", "Dusk", "Contrast", "Light"]) {
      await page.getByRole("button", { name: /account, theme, sign out/ }).click();
      await page.getByRole("menuitemradio", { name }).click();
      assert.equal(await page.locator("html").getAttribute("data-theme"), name.toLowerCase());
      await page.reload();
      await page.getByRole("heading", { name: "Overview" }).waitFor();
      assert.equal(await page.locator("html").getAttribute("data-theme"), name.toLowerCase());
      await accessible(page);
    }
    const dark = await open("/", "Overview", { scheme: "dark" });
    assert.equal(await dark.locator("html").getAttribute("data-theme"), "dark");
    await dark.emulateMedia({ colorScheme: "light" });
    await until("the theme follows the system", async () => (await dark.locator("html").getAttribute("data-theme")) === "light");
  });

  test("all of it with the keyboard", async () => {
    const page = await open("/", "Overview");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
    await page.keyboard.press("g");
    await page.keyboard.press("l");
    await page.getByRole("heading", { name: "Links" }).waitFor();
    await page.locator("td.main a").first().waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "edge-01");
    await page.keyboard.press("k");
    await page.keyboard.press("x");
    await page.getByText("1 machine chosen").waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "db-01" }).waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await accessible(page);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox").fill("last line");
    await accessible(page);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Last line" }).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("o");
    await page.getByRole("heading", { name: "Operations" }).waitFor();
    assert.equal(await page.getByRole("dialog").count(), 0);
  });

  test("a phone has all of it without scrolling sideways", async () => {
    const id = await fleet.run(["hello"], able);
    const pages = [["/", "Overview"], ["/links", "Links"], ["/links/web-01", "web-01"], ["/operations", "Operations"], ["/operations/new", "Run scripts"], [`/operations/${id}`, id], ["/scripts", "Scripts"], ["/scripts/hello", /Hello/], ["/git", "Git"], ["/about", "About LinkOps"], ["/account", "Account"]];
    const page = await open("/", "Overview", { width: 360, height: 740, phone: true });
    for (const [address, heading] of pages) {
      await goto(page, address, heading);
      await page.waitForLoadState("networkidle");
      const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= inner, `${address} is ${wide} wide in ${inner}`);
      await accessible(page);
    }
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Scripts" }).click();
    await page.getByRole("heading", { name: "Scripts" }).waitFor();
  });

  test("about names the libraries and crates with their licences", async () => {
    const page = await open("/about", "About LinkOps");
    await page.getByText("@xterm/xterm").first().click();
    await page.locator("details[open]").getByText("Permission is hereby granted").waitFor();
    await page.getByText("rusqlite").waitFor();
    await accessible(page);
  });

  test("nothing inline runs", async () => {
    const page = await open("/", "Overview", { faults: ["Content Security Policy"] });
    const ran = await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "globalThis.inlineRan = true";
      document.head.append(script);
      return globalThis.inlineRan === true;
    });
    assert.equal(ran, false);
  });
});

assert.ok(existsSync(new URL("../dist/manifest", import.meta.url)), "the console is not built: web/build");
