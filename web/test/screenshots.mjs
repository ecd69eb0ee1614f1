// Makes docs/screenshots: each page of the console, light and dark, on the sample fleet.
//
// usage: node web/test/screenshots.mjs [PAGE|SCHEME|PAGE-SCHEME...]   only these

import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Browser, signIn } from "./browser.mjs";
import { Fleet, until } from "./fleet.mjs";
import { machines, scripts, seed, startRunning } from "./sample.mjs";

const out =
  process.env.SCREENSHOTS ??
  join(dirname(fileURLToPath(import.meta.url)), "../../docs/screenshots");
const only = process.argv.slice(2);

// What is typed into each terminal.
const COMMANDS = [
  "ls --color=always -p",
  "cat nginx/access.log",
  "printf '\\e[1;34m%s\\e[0m\\n' indexes; seq -s ' ' 1 40",
  "grep -n --color=always maxmemory redis.conf",
];

const fleet = await Fleet.start({ machines, scripts, settings: "terminal.recording = on" });
const browser = await Browser.start();
let world = null;
try {
  mkdirSync(out, { recursive: true });
  world = await seed(fleet);
  const session = await signIn(fleet);
  for (const scheme of ["light", "dark"]) {
    await startRunning(fleet, world.able, "security-updates");
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
      await page.route("**/api/**", disguise);
      await page.goto(typeof shot.address === "string" ? shot.address : await shot.address());
      await page
        .locator(shot.ready ?? "main h1")
        .first()
        .waitFor();
      await shot.then?.(page);
      // Pages that ask again and again are never idle.
      await page.waitForLoadState("networkidle", { timeout: 2000 }).catch(() => {});
      await page.screenshot({ path: join(out, `${name}-${scheme}.png`), animations: "disabled" });
      if (page.wrongs.length > 0) console.log(`${name}: ${page.wrongs.join("\n")}`);
      await page.close();
    }
    await stopAll();
  }
} finally {
  await browser.stop();
  await fleet.stop();
}

// The pictures of the other scheme begin with nothing at work.
async function stopAll() {
  const open = () => fleet.call("GET", "/api/operations?status=queued,running");
  for (const { id } of (await open()).operations)
    await fleet.call("POST", `/api/operations/${id}/stop`, {});
  await until("nothing runs", async () => (await open()).operations.length === 0);
}

// Answers of the server as they would be of a fleet that is not on this machine.
async function disguise(route) {
  const url = route.request().url();
  if (/\/events|\/ws\?/.test(url)) return route.continue();
  const response = await route.fetch();
  const type = response.headers()["content-type"] ?? "";
  if (!type.includes("application/json")) return route.fulfill({ response });
  const body = JSON.stringify(await response.json(), (_, value) =>
    value?.ssh ? { ...value, ssh: { ...value.ssh, ...address(value.id) } } : value,
  );
  const text = body
    .replaceAll(fleet.repository, "ssh://git@git.example.com/ops/fleet.git")
    .replaceAll("127.0.0.1", "10.20.0.5");
  return route.fulfill({ response, body: text });
}

function address(id) {
  const at = machines.findIndex((one) => one.id === id);
  return { host: `10.20.0.${10 + at}`, port: 22, user: "ops" };
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
      address: async () =>
        `/operations/${await startRunning(fleet, world.able, "system-facts")}?script=long-haul`,
      ready: ".log .ln",
      then: (page) => page.getByText("shard 009").waitFor(),
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
    recordings: { address: () => oneEnded(), ready: "table.data td.main" },
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
    about: {
      address: "/about",
      ready: ".crates",
      then: (page) =>
        page.getByText(new URL(fleet.url).host).evaluate((one) => {
          one.textContent = "linkops.example.com";
        }),
    },
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
    await page.keyboard.type(`cd; PS1='ops@${name}:~$ '; clear\r`);
    // What was typed has the prompt in it, too.
    const prompt = new RegExp(`^ops@${name}:~\\$`);
    await pane.locator(".xterm-rows > div").first().getByText(prompt).waitFor();
    await page.keyboard.type(`${COMMANDS[at]}; echo\r`);
    await pane.locator(".xterm-rows").getByText(`ops@${name}`).nth(1).waitFor();
  }
}

async function typeIntoAll(page) {
  const [first] = await connected(page);
  await page.getByRole("button", { name: "Type into all" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Type into all" }).click();
  await first.locator(".xterm-screen").click();
  await page.keyboard.type("cd; PS1='ops$ '; clear\r");
  await first
    .locator(".xterm-rows > div")
    .first()
    .getByText(/^ops\$/)
    .waitFor();
  await page.keyboard.type("cat release.txt\r");
  await first.getByText(/^shop/).waitFor();
}

// The list, when one session has ended and another one is open.
async function oneEnded() {
  const sessions = await fleet.call("GET", "/api/terminal/workspaces");
  const one = sessions.find(({ panes }) => Object.keys(panes).length === 4);
  if (one) await fleet.call("DELETE", `/api/terminal/workspaces/${one.workspace_id}`);
  return "/recordings";
}

async function lastRecording() {
  const all = await fleet.call("GET", "/api/recordings");
  const one = all.find(({ target, ended }) => target === "cache-01" && ended !== null) ?? all[0];
  return `/recordings/${one.id}`;
}
