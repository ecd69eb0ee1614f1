// Chromium for the tests: pages of a real console, and what must hold on each of them: no error in
// the browser's console, no request to another host, no violation of WCAG that axe-core can find.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

function program() {
  return (
    process.env.CHROMIUM ??
    execFileSync(
      "sh",
      ["-c", "command -v chromium || command -v chromium-browser || command -v google-chrome"],
      { encoding: "utf8" },
    ).trim()
  );
}

export class Browser {
  #contexts = [];

  static async start() {
    const browser = new Browser();
    const args = [
      "--disable-dev-shm-usage",
      "--js-flags=--expose-gc",
      "--enable-precise-memory-info",
    ];
    // Root has no sandbox in containers.
    if (process.getuid() === 0) args.push("--no-sandbox");
    browser.chromium = await chromium.launch({ executablePath: program(), args });
    return browser;
  }

  // A tab of a browser of its own. `session` of `signIn` starts it signed in; `faults` are texts of
  // console errors that belong to the test.
  async tab(
    fleet,
    {
      session = null,
      width = 1280,
      height = 800,
      scheme = "light",
      theme = null,
      phone = false,
      faults = [],
    } = {},
  ) {
    const context = await this.chromium.newContext({
      baseURL: fleet.url,
      viewport: { width, height },
      colorScheme: scheme,
      hasTouch: phone,
      isMobile: phone,
      reducedMotion: "reduce",
      locale: "en-GB",
      timezoneId: "UTC",
    });
    this.#contexts.push(context);
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: fleet.url });
    await context.addInitScript(
      ([kept, look]) => {
        if (kept && !sessionStorage.getItem("linkops.tested")) {
          sessionStorage.setItem("linkops.session", kept);
          sessionStorage.setItem("linkops.tested", "yes");
        }
        if (look) localStorage.setItem("linkops.theme", look);
      },
      [session && JSON.stringify(session), theme],
    );
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    page.wrongs = [];
    page.faults = faults;
    const isFault = (text) => page.faults.some((one) => text.includes(one));
    page.on("console", (message) => {
      const text = `${message.text()} ${message.location().url}`;
      if (["error", "warning"].includes(message.type()) && !isFault(text))
        page.wrongs.push(`console: ${text}`);
    });
    page.on("pageerror", (error) => page.wrongs.push(`page: ${error.stack}`));
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(fleet.url) && !/^(data|blob):/.test(url))
        page.wrongs.push(`request to another host: ${url}`);
    });
    return page;
  }

  // Closes all tabs; what went wrong in one is told now.
  async clear() {
    const pages = this.#contexts.flatMap((context) => context.pages());
    const wrongs = pages.flatMap((page) => page.wrongs ?? []);
    await Promise.all(this.#contexts.splice(0).map((context) => context.close()));
    assert.deepEqual(wrongs, []);
  }

  async stop() {
    await this.chromium?.close();
  }
}

// A session as the page keeps it, without the page of the login.
export async function signIn(fleet, username = "admin", password = fleet.password) {
  const response = await fetch(`${fleet.url}/api/auth/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  const expires = Date.parse(answer.expires_at);
  return {
    token: answer.token,
    expires,
    life: expires - Date.now(),
    username,
    role: answer.user.role,
    keep: false,
  };
}

// Nothing that axe-core can find is against WCAG 2.2 AA.
export async function accessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(
    (tags) => globalThis.axe.run(document, { runOnly: tags }),
    RULES,
  );
  const words = violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}\n${nodes
        .slice(0, 5)
        .map((one) => `   ${one.html}\n   ${one.failureSummary}`)
        .join("\n")}`,
  );
  assert.deepEqual(words, [], page.url());
}

// Waits until the page has its heading.
export async function goto(page, address, heading) {
  await page.goto(address);
  await page.getByRole("heading", { level: 1, name: heading }).waitFor();
}
