// Makes docs/screenshots: each page of the console, light and dark, on the sample fleet.
//
// usage: node web/test/screenshots.mjs [PAGE|SCHEME|PAGE-SCHEME...]   only these

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

// What is typed into each terminal.
const COMMANDS = [
  "ls --color=always -p /etc/ssh /etc/apt",
  "df -h --output=source,size,pcent / | cat; uptime -p",
  "printf '\\e[1;34m%s\\e[0m\\n' indexes; seq -s ' ' 1 40",
  "grep -n --color=always root /etc/passwd",
];

const fleet = await Fleet.start({ machines, scripts, settings: "terminal.recording = on" });
const browser = await Browser.start();
let world = null;
try {
  mkdirSync(out, { recursive: true });
  world = await seed(fleet);
  const session = await signIn(fleet);
  for (const scheme of ["light", "dark"]) {
    for (const [name, shot] of Object.entries(shots(world))) {
      if (only.length > 0 && ![name, scheme, `${name}-${scheme}`].some((one) => only.includes(one)))
        continue;
      const page = await browser.tab(fleet, {
        scheme,
        session: shot.open ? null : session,
        width: 1280,
        height: 800,
        ...shot.tab,
      });
      await page.goto(typeof shot.address === "string" ? shot.address : await shot.address());
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

function shots({ partial }) {
  return {
    signin: { address: "/signin", open: true, ready: ".signin button" },
    overview: { address: "/", ready: ".fleet .figure" },
    links: { address: "/links", ready: "table.data td.main" },
    map: { address: "/links?view=map", ready: ".map" },
    machine: { address: "/links/web-01", ready: ".chart canvas" },
    operations: { address: "/operations", ready: "table.data td.main" },
    run: { address: "/operations/new?scripts=security-updates,restart-web&targets=web-01,web-02" },
    operation: {
      address: () => startRunning(),
      ready: ".log .ln",
      then: (page) => page.getByText("shard 04").waitFor(),
    },
    failure: {
      address: `/operations/${partial}`,
      ready: ".log .ln",
      then: (page) => page.getByRole("button", { name: "First failure" }).click(),
    },
    groups: { address: `/operations/${partial}?view=groups`, ready: ".group" },
    terminal: {
      address: "/terminal?targets=web-01,web-02,db-01,cache-01",
      ready: ".pane[data-state=connected]",
      then: typeInto,
    },
    broadcast: {
      address: "/terminal?targets=web-01,web-02",
      ready: ".pane[data-state=connected]",
      then: typeIntoAll,
    },
    sessions: { address: "/terminal", ready: "article.card" },
    recordings: { address: "/recordings", ready: "table.data td.main" },
    recording: {
      address: () => lastRecording(),
      ready: ".film .xterm-rows",
      then: (page) => page.getByLabel("Place in the recording").press("End"),
    },
    scripts: { address: "/scripts", ready: "table.data td.main" },
    script: { address: "/scripts/disk-usage", ready: ".source" },
    git: { address: "/git", ready: ".badge" },
    audit: { address: "/audit", ready: "table.data td.main" },
    users: { address: "/users", ready: "table.data td.main" },
    tokens: { address: "/tokens", ready: "table.data td.main" },
    account: { address: "/account", ready: "form.card" },
    about: { address: "/about", ready: ".crates" },
    palette: {
      address: "/",
      ready: ".fleet .figure",
      then: async (page) => {
        await page.keyboard.press("Control+k");
        await page.getByRole("combobox").fill("web");
        await page.locator(".entries").getByText("web-03").waitFor();
      },
    },
    phone: { address: "/", ready: ".fleet .figure", tab: { width: 390, height: 780, phone: true } },
  };
}

async function connected(page) {
  const panes = await page.locator(".pane").all();
  for (const pane of panes) await pane.getByText("Connected", { exact: true }).waitFor();
  return panes;
}

async function typeInto(page) {
  const panes = await connected(page);
  for (const [at, pane] of panes.entries()) {
    const name = await pane.locator("select").first().inputValue();
    await pane.locator(".xterm-screen").click();
    await page.keyboard.type(`PS1='ops@${name}:~$ '; clear\r`);
    await pane.locator(".xterm-rows > div").first().getByText(`ops@${name}:~$`).waitFor();
    await page.keyboard.type(`${COMMANDS[at]}; echo\r`);
    await pane.locator(".xterm-rows").getByText(`ops@${name}`).nth(1).waitFor();
  }
}

async function typeIntoAll(page) {
  const [first] = await connected(page);
  await page.getByRole("button", { name: "Type into all" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Type into all" }).click();
  await first.locator(".xterm-screen").click();
  await page.keyboard.type("PS1='ops$ '; clear\r");
  await first
    .locator(".xterm-rows > div")
    .first()
    .getByText(/^ops\$/)
    .waitFor();
  await page.keyboard.type("uname -sr\r");
  await first.getByText(/^Linux/).waitFor();
}

// An operation in its midst.
async function startRunning() {
  const body = { scripts: ["system-facts", "long-haul"], targets: world.able, concurrency: 7 };
  const { operation_id: id } = await fleet.call("POST", "/api/operations/run", body);
  return `/operations/${id}`;
}

async function lastRecording() {
  const [one] = await fleet.call("GET", "/api/recordings");
  return `/recordings/${one.id}`;
}
