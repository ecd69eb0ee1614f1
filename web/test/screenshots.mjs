// Makes docs/screenshots: each page of the console, light and dark, on the sample fleet.
//
// usage: node web/test/screenshots.mjs [PAGE...]   only these pages

import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Browser, signIn } from "./browser.mjs";
import { Fleet } from "./fleet.mjs";
import { machines, scripts, seed } from "./sample.mjs";

const out =
  process.env.SCREENSHOTS ??
  join(dirname(fileURLToPath(import.meta.url)), "../../docs/screenshots");
const only = process.argv.slice(2);

const fleet = await Fleet.start({ machines, scripts, settings: "terminal.recording = on" });
const browser = await Browser.start();
try {
  mkdirSync(out, { recursive: true });
  const world = await seed(fleet);
  const session = await signIn(fleet);
  for (const scheme of ["light", "dark"]) {
    for (const [name, shot] of Object.entries(shots(world))) {
      if (only.length > 0 && !only.includes(name)) continue;
      const page = await browser.tab(fleet, {
        scheme,
        session: shot.open ? null : session,
        width: 1280,
        height: 800,
        ...shot.tab,
      });
      await page.goto(shot.address);
      await page
        .locator(shot.ready ?? "main h1")
        .first()
        .waitFor();
      await shot.then?.(page);
      await page.waitForLoadState("networkidle").catch(() => {});
      await page.screenshot({ path: join(out, `${name}-${scheme}.png`), animations: "disabled" });
      if (page.wrongs.length > 0) console.log(`${name}: ${page.wrongs.join("\n")}`);
      await page.close();
    }
  }
} finally {
  await browser.stop();
  await fleet.stop();
}

function shots({ partial, running, recordings }) {
  return {
    signin: { address: "/signin", open: true, ready: ".signin button" },
    overview: { address: "/", ready: ".fleet .figure" },
    links: { address: "/links", ready: "table.data td.main" },
    map: { address: "/links?view=map", ready: ".map" },
    machine: { address: "/links/web-01" },
    operations: { address: "/operations", ready: "table.data td.main" },
    run: { address: "/operations/new?scripts=security-updates,restart-web&targets=web-01,web-02" },
    operation: { address: `/operations/${running}`, ready: ".log .ln" },
    failure: {
      address: `/operations/${partial}`,
      ready: ".log .ln",
      then: (page) => page.getByRole("button", { name: "First failure" }).click(),
    },
    groups: { address: `/operations/${partial}?view=groups`, ready: ".group, .box" },
    scripts: { address: "/scripts", ready: "table.data td.main" },
    script: { address: "/scripts/disk-usage" },
    git: { address: "/git" },
    terminal: { address: "/terminal" },
    recordings: { address: recordings ? `/recordings/${recordings}` : "/recordings" },
    audit: { address: "/audit" },
    users: { address: "/users" },
    tokens: { address: "/tokens" },
    account: { address: "/account" },
    about: { address: "/about" },
    phone: { address: "/", ready: ".fleet .figure", tab: { width: 390, height: 780, phone: true } },
  };
}
