// The console in a browser, on a real server with real machines: signing in, machines, and what
// holds on every page.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { accessible, goto, signIn } from "./browser.mjs";
import { until } from "./fleet.mjs";
import { able, note, useWorld } from "./world.mjs";

const world = useWorld((fleet) => {
  fleet.addUser("vera", "viewer", "look, do not touch");
  fleet.addUser("lena", "viewer", "to be locked out");
});

describe("signing in", () => {
  test("leads to where one wanted to go, and out again", async () => {
    const page = await world.browser.tab(world.fleet, { faults: ["401"] });
    await page.goto("/scripts?q=hello");
    await page.getByLabel("User name").fill("admin");
    await page.getByLabel("Password").fill("not it, by far");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("INVALID_CREDENTIALS").waitFor();
    await accessible(page);
    await page.getByLabel("Password").fill(world.fleet.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Scripts" }).waitFor();
    assert.equal(new URL(page.url()).search, "?q=hello");
    const tokens = await page.evaluate(() =>
      [location.href, ...performance.getEntriesByType("resource").map((one) => one.name)].filter(
        (one) => one.includes("eyJ"),
      ),
    );
    assert.deepEqual(tokens, [], "no token is in an address");
    await page.getByRole("button", { name: /account, theme, sign out/ }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    await page.goto("/links");
    await page.getByRole("button", { name: "Sign in" }).waitFor();
  });

  test("a tab's own session leaves the one of the computer alone", async () => {
    const kept = await world.browser.tab(world.fleet);
    await kept.goto("/signin");
    await kept.getByLabel("User name").fill("vera");
    await kept.getByLabel("Password").fill("look, do not touch");
    await kept.getByLabel("Stay signed in").check();
    await kept.getByRole("button", { name: "Sign in" }).click();
    await kept.getByRole("heading", { name: "Overview" }).waitFor();
    const own = await kept.context().newPage();
    // So old that it is renewed with the first call.
    const session = JSON.stringify({ ...world.session, life: 1e12 });
    await own.addInitScript((text) => {
      if (!sessionStorage.getItem("linkops.session"))
        sessionStorage.setItem("linkops.session", text);
    }, session);
    const renewed = own.waitForResponse("**/api/auth/refresh");
    await goto(own, "/links", "Links");
    await (await renewed).finished();
    await until("the new token is kept", () =>
      own.evaluate((text) => sessionStorage.getItem("linkops.session") !== text, session),
    );
    await own.getByRole("button", { name: /admin.*: account/ }).waitFor();
    await kept.getByRole("link", { name: "Git", exact: true }).first().click();
    await kept.getByRole("heading", { name: "Git" }).waitFor();
    await kept.reload();
    await kept.getByRole("button", { name: /vera.*: account/ }).waitFor();
  });

  test("says when a lock ends", async () => {
    const page = await world.browser.tab(world.fleet, { faults: ["401", "403"] });
    await page.goto("/signin");
    await page.getByLabel("User name").fill("lena");
    for (let attempt = 0; attempt < 6; attempt += 1) {
      await page.getByLabel("Password").fill(`wrong ${attempt}`);
      const answer = page.waitForResponse("**/api/auth/login");
      await page.getByRole("button", { name: "Sign in" }).click();
      await answer;
    }
    const alert = page.getByRole("alert").filter({ hasText: "this account is locked" });
    await alert.getByText("ACCOUNT_LOCKED").waitFor();
    await alert.getByText(/It opens at \d+:\d+:\d+\./).waitFor();
    const clock = page.getByText(/^It opens in [45]:\d\d\.$/);
    // What is an alert is read out with each change.
    const [words, first] = [await alert.innerText(), await clock.innerText()];
    await until("the clock goes on", async () => (await clock.innerText()) !== first);
    assert.equal(await alert.innerText(), words);
    await accessible(page);
  });

  test("a password is changed, and the old one is good no more", async () => {
    world.fleet.addUser("paul", "operator", "the first password");
    const page = await world.open("/account", "Account", {
      session: await signIn(world.fleet, "paul", "the first password"),
      // A call with the old token can be on its way when it ends.
      faults: ["401"],
    });
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
    await signIn(world.fleet, "paul", "the second password");
    await assert.rejects(signIn(world.fleet, "paul", "the first password"));
  });

  test("a viewer sees no buttons for what is not allowed", async () => {
    const page = await world.open("/links", "Links", {
      session: await signIn(world.fleet, "vera", "look, do not touch"),
    });
    await page.getByRole("link", { name: "web-01" }).waitFor();
    assert.equal(await page.getByRole("button", { name: "Verify all" }).count(), 0);
    assert.equal(await page.getByRole("link", { name: "Users" }).count(), 0);
    await page.goto("/operations/new");
    await page.getByText("This page is for the role operator").waitFor();
  });
});

describe("machines", () => {
  test("are filtered by the address, and the address by filters", async () => {
    const page = await world.open("/links?type=VPS&status=online", "Links");
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
    const page = await world.open("/links?view=map", "Links");
    await page.getByRole("region", { name: "VM, reached directly" }).getByText("db-01").waitFor();
    await accessible(page);
    await page.getByRole("link", { name: /db-01/ }).focus();
    for (let round = 0; round < 2; round += 1) {
      const answer = page.waitForResponse("**/api/health/links?*");
      await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
      await (await answer).finished();
    }
    const focused = () => page.evaluate(() => document.activeElement.getAttribute("href"));
    assert.equal(await focused(), "/links/db-01");
  });

  test("one of them with its timeline, and how to enrol it", async () => {
    const id = await world.fleet.run(["hello"], ["db-01"]);
    const page = await world.open("/links/db-01", "db-01");
    await page.getByRole("region", { name: "Timeline" }).getByRole("link", { name: id }).waitFor();
    const client = readFileSync(world.fleet.path("ids", "db-01"), "utf8").trim();
    await page.getByText(client).waitFor();
    await accessible(page);
    writeFileSync(world.fleet.path("ids", "db-01"), "LINKOPS-of-another-machine\n");
    await page.getByRole("button", { name: "Verify" }).click();
    await page.getByText("db-01 is not enrolled").waitFor();
    await page.getByText(`echo ${client} > /etc/linkops/client_id`).waitFor();
    await accessible(page);
    writeFileSync(world.fleet.path("ids", "db-01"), `${client}\n`);
    await page.getByRole("button", { name: "Verify" }).click();
    await note(page, "db-01 is the machine that the inventory means.").waitFor();
    await page.getByText("db-01 is not enrolled").waitFor({ state: "detached" });
  });

  test("its timeline goes back as far as all of it is known, and further when asked", async () => {
    const made = [];
    for (let run = 0; run < 3; run += 1) made.push(await world.fleet.run(["hello"], ["web-01"]));
    const page = await world.browser.tab(world.fleet, { session: world.session });
    await page.route(/\/api\/operations\?target=web-01&limit=30$/, (route, request) =>
      route.continue({ url: request.url().replace("limit=30", "limit=2") }),
    );
    await goto(page, "/links/web-01", "web-01");
    const line = page.getByRole("region", { name: "Timeline" });
    await line.getByText(/^This goes back to \d/).waitFor();
    assert.deepEqual(await line.locator("li a").allInnerTexts(), [made[2], made[1]]);
    // The machine was verified before.
    assert.equal(await line.getByText("Client id verified").count(), 0);
    await accessible(page);
    await line.getByRole("button", { name: "Show older ones" }).click();
    await line.getByRole("link", { name: made[0] }).waitFor();
    await line.getByText("Client id verified").waitFor();
    assert.equal(await line.getByText("This goes back to").count(), 0);
  });

  test("its latencies are a line, of a day or a week", async () => {
    await world.fleet.check(4);
    const page = await world.open("/links/web-02", "web-02");
    await page
      .getByRole("img", { name: /^Latency: [4-9] answers, \d+ to \d+ ms; 0 without an answer$/ })
      .waitFor();
    await page.locator(".chart canvas").waitFor();
    await page.getByRole("button", { name: "Week" }).click();
    await page.locator(".chart .u-over").hover();
    await page.getByText(/\d\d:\d\d:\d\d: \d+ ms/).waitFor();
    await accessible(page);
    await goto(page, "/links", "Links");
    await page.getByRole("img", { name: /^web-02: \d+ to \d+ ms in/ }).waitFor();
  });

  test("one that is not there says so", async () => {
    const page = await world.browser.tab(world.fleet, { session: world.session, faults: ["404"] });
    await page.goto("/links/nowhere");
    await page.getByText("LINK_NOT_FOUND").waitFor();
    await page.goto("/nothing/at/all");
    assert.match(await page.locator("body").innerText(), /NOT_FOUND|TOKEN_MISSING/);
  });
});

describe("everywhere", () => {
  test("themes are switched and kept, and all have enough contrast", async () => {
    const page = await world.open("/", "Overview");
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
    const dark = await world.open("/", "Overview", { scheme: "dark" });
    assert.equal(await dark.locator("html").getAttribute("data-theme"), "dark");
    await dark.emulateMedia({ colorScheme: "light" });
    await until(
      "the theme follows the system",
      async () => (await dark.locator("html").getAttribute("data-theme")) === "light",
    );
  });

  test("all of it with the keyboard", async () => {
    const page = await world.open("/", "Overview");
    await page.keyboard.press("Tab");
    assert.equal(
      await page.evaluate(() => document.activeElement.textContent),
      "Skip to the content",
    );
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

  test("single keys can be turned off, for good", async () => {
    const page = await world.open("/account", "Account");
    await page.getByLabel("Single characters act as keys").uncheck();
    await accessible(page);
    await page.reload();
    await page.getByRole("heading", { name: "Keyboard" }).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("l");
    await page.keyboard.press("?");
    await page.getByRole("button", { name: /account, theme, sign out/ }).click();
    await page.getByRole("menuitem", { name: "Keys" }).click();
    const dialog = page.getByRole("dialog", { name: "Keys" });
    await dialog.getByText("Keys of one character are off.").waitFor();
    assert.equal(await dialog.getByText("Go to Links").count(), 0);
    await page.keyboard.press("Escape");
    assert.match(page.url(), /account$/);
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox").waitFor();
    await page.keyboard.press("Escape");
    await page.getByLabel("Single characters act as keys").check();
    await page.keyboard.press("g");
    await page.keyboard.press("l");
    await page.getByRole("heading", { name: "Links" }).waitFor();
  });

  test("a page that was left while it was made leaves no keys behind", async () => {
    const id = await world.fleet.run(["hello"], ["web-01"]);
    const page = await world.open("/operations", "Operations");
    let held = null;
    await page.route(/\/assets\/operation-.*css/, (route) => (held = route));
    const view = page.waitForResponse(new RegExp(`/api/operations/${id}`));
    await page.getByRole("link", { name: id }).click();
    await (await view).finished();
    await until("the style is asked for", () => held !== null);
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await page.getByRole("heading", { name: "Scripts" }).waitFor();
    const style = page.waitForResponse(/\/assets\/operation-.*css/);
    await held.continue();
    await (await style).finished();
    await page.keyboard.press("?");
    const dialog = page.getByRole("dialog", { name: "Keys" });
    await dialog.getByText("Go to Links").waitFor();
    assert.equal(await dialog.getByText("First failure").count(), 0);
    assert.equal(await dialog.getByText("Follow the output").count(), 0);
  });

  test("a phone has all of it without scrolling sideways", async () => {
    const id = await world.fleet.run(["hello"], able);
    const pages = [
      ["/", "Overview"],
      ["/links", "Links"],
      ["/links/web-01", "web-01"],
      ["/operations", "Operations"],
      ["/operations/new", "Run scripts"],
      [`/operations/${id}`, id],
      ["/scripts", "Scripts"],
      ["/scripts/hello", /Hello/],
      ["/git", "Git"],
      ["/about", "About LinkOps"],
      ["/account", "Account"],
    ];
    const page = await world.open("/", "Overview", { width: 360, height: 740, phone: true });
    for (const [address, heading] of pages) {
      await goto(page, address, heading);
      await page.waitForLoadState("networkidle");
      const [wide, inner] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        innerWidth,
      ]);
      assert.ok(wide <= inner, `${address} is ${wide} wide in ${inner}`);
      const over = await page.evaluate(() => {
        const right = (one) => one.getBoundingClientRect().right;
        const cards = [...document.querySelectorAll(".card")].map(right);
        return Math.max(0, ...cards) - right(document.querySelector(".head"));
      });
      assert.ok(over <= 1, `a card of ${address} is ${over} too wide`);
      await accessible(page);
    }
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Scripts" }).click();
    await page.getByRole("heading", { name: "Scripts" }).waitFor();
  });

  test("no table is wider than its window", async () => {
    await world.fleet.run(["hello", "last-line", "kinds"], able);
    const page = await world.open("/", "Overview");
    const lists = [
      ["/links", "Links"],
      ["/operations", "Operations"],
      ["/scripts", "Scripts"],
      ["/audit", "Audit"],
      ["/users", "Users"],
      ["/tokens", "API tokens"],
    ];
    for (const width of [760, 1024, 1280, 1680]) {
      await page.setViewportSize({ width, height: 800 });
      for (const [address, heading] of lists) {
        await goto(page, address, heading);
        await page.locator("td.main, .box.empty").first().waitFor();
        const over = await page.evaluate(() => {
          const table = document.querySelector("table.data");
          const right = (one) => one?.getBoundingClientRect().right ?? 0;
          return (
            Math.max(right(table), right(table?.querySelector("tr"))) -
            right(document.querySelector(".head"))
          );
        });
        assert.ok(over <= 1, `${address} at ${width}: ${over} too wide`);
      }
    }
  });

  test("about names the libraries and crates with their licences", async () => {
    const page = await world.open("/about", "About LinkOps");
    await page.getByText("@xterm/xterm").first().click();
    await page.locator("details[open]").getByText("Permission is hereby granted").waitFor();
    await page.getByText("rusqlite").waitFor();
    await accessible(page);
  });

  test("a file that does not come is asked for again, without a storm of reloads", async () => {
    const page = await world.open("/", "Overview", { faults: ["Failed to load resource", "ERR_"] });
    let loads = 0;
    page.on("request", (request) => (loads += request.isNavigationRequest() ? 1 : 0));
    const link = page.getByRole("navigation").getByRole("link", { name: "Scripts" }).first();
    const file = /\/assets\/scripts-/;
    await page.route(file, (route) => route.abort());
    await link.click();
    await page.getByText("FILE_MISSING").waitFor();
    assert.equal(loads, 1, "the server answers, so newer files may be there");
    await accessible(page);
    await page.unroute(file);
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("link", { name: "Hello", exact: true }).waitFor();
    await page.goto("/git");
    await page.getByRole("heading", { name: "Git" }).waitFor();
    loads = 0;
    await world.fleet.halt();
    await link.click();
    await page.getByRole("alert").getByText("NO_ANSWER").waitFor();
    await world.fleet.launch();
    assert.equal(loads, 0);
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("link", { name: "Hello", exact: true }).waitFor();
  });

  test("a tab is named after what it shows", async () => {
    const page = await world.open("/links/web-01", "web-01");
    assert.equal(await page.title(), "web-01 · LinkOps");
    await goto(page, "/scripts/hello", /Hello/);
    assert.equal(await page.title(), "Hello · LinkOps");
    await page.getByRole("link", { name: "Git", exact: true }).first().click();
    await page.getByRole("heading", { name: "Git" }).waitFor();
    assert.equal(await page.title(), "Git · LinkOps");
  });

  test("nothing inline runs", async () => {
    const page = await world.open("/", "Overview", { faults: ["Content Security Policy"] });
    const ran = await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "globalThis.inlineRan = true";
      document.head.append(script);
      return globalThis.inlineRan === true;
    });
    assert.equal(ran, false);
  });
});
