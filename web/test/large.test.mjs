// A large fleet and much output: what is not in sight is neither in the document nor in the heap.

import assert from "node:assert/strict";
import { test } from "node:test";
import { accessible } from "./browser.mjs";
import { until } from "./fleet.mjs";
import { useFleet } from "./world.mjs";

const MANY = 1000;
const LOUD = 100;
const LINES = 10_300;
const MB = 1_000_000;

const name = (number) => `node-${String(number).padStart(4, "0")}`;
const machines = Array.from({ length: MANY }, (_, at) => ({
  id: name(at + 1),
  type: ["VPS", "Proxmox", "VM"][at % 3],
  tags: [`rack-${at % 40}`],
}));
const scripts = {
  hello: { name: "Hello", estimatedDuration: 1, text: "#!/bin/bash\necho hello\n" },
  loud: {
    name: "Loud",
    text: `#!/bin/bash\nawk 'BEGIN { for (n = 1; n <= ${LINES}; n++) printf "%06d %093d\\n", n, 0 }'\n`,
  },
};

const world = useFleet(
  {
    machines,
    scripts,
    settings: "security.enrollment_required = off\nhealth.check_interval_minutes = 0",
  },
  (fleet) => fleet.call("POST", "/api/git/sync", {}),
);

const elements = (page) => page.evaluate(() => document.querySelectorAll("*").length);

async function heap(page) {
  const client = (page.devtools ??= await page.context().newCDPSession(page));
  await client.send("HeapProfiler.collectGarbage");
  return (await client.send("Runtime.getHeapUsage")).usedSize;
}

function run(script, targets) {
  const body = { scripts: [script], targets, concurrency: 50, require_enrollment: false };
  return world.fleet
    .call("POST", "/api/operations/run", body)
    .then((answer) => answer.operation_id);
}

test("a thousand machines are a list of which some rows are there", async () => {
  const page = await world.open("/links", "Links");
  await page.getByText("1,000 machines").waitFor();
  await page.getByRole("link", { name: name(1), exact: true }).waitFor();
  assert.ok((await elements(page)) < 2500, `${await elements(page)} elements`);
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await page.getByRole("link", { name: name(MANY), exact: true }).waitFor();
  assert.ok((await elements(page)) < 2500, `${await elements(page)} elements`);
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight / 2));
  const middle = page.getByRole("link", { name: /^node-05/ }).first();
  await middle.waitFor();
  const place = await page.evaluate(() => scrollY);
  await page.getByRole("link", { name: "Scripts", exact: true }).first().click();
  await page.getByRole("heading", { name: "Scripts" }).waitFor();
  await page.goBack();
  await page.getByText("1,000 machines").waitFor();
  await until(
    "one is where one was",
    async () => Math.abs((await page.evaluate(() => scrollY)) - place) < 2,
  );
  await middle.waitFor();
  await page.evaluate(() => scrollTo(0, 0));
  await page.keyboard.press("/");
  await page.keyboard.type("rack-39 vps");
  await page.getByText(/^\d+ of 1,000 machines$/).waitFor();
  await page.getByLabel("Choose all rows").check();
  await page.getByText(/machines chosen/).waitFor();
  await accessible(page);
});

test("an operation on a thousand machines is a grid of which some tiles are there", async () => {
  const id = await run(
    "hello",
    machines.map((one) => one.id),
  );
  const page = await world.open(`/operations/${id}`, id);
  await page.getByRole("option", { name: name(1) }).waitFor();
  assert.ok((await elements(page)) < 2500, `${await elements(page)} elements`);
  await until(
    "all have run",
    async () => (await page.locator(".badge").first().innerText()) === "Success",
    { seconds: 180 },
  );
  await page.getByText("1,000 succeeded").waitFor();
  await page.locator(".tilegrid").press("End");
  await page.getByRole("option", { name: name(MANY) }).waitFor();
  await page.getByRole("region", { name: "Output", exact: true }).getByText("hello").waitFor();
  assert.ok((await elements(page)) < 2500, `${await elements(page)} elements`);
  assert.ok((await heap(page)) < 40 * MB, `${await heap(page)} bytes of heap`);
  await accessible(page);
});

test("a hundred megabytes of output leave the heap flat", async () => {
  const id = await run(
    "loud",
    machines.slice(0, LOUD).map((one) => one.id),
  );
  const page = await world.open(`/operations/${id}`, id);
  const first = await heap(page);
  await until(
    "all have run",
    async () => (await page.locator(".badge").first().innerText()) === "Success",
    { seconds: 240 },
  );
  const last = await heap(page);
  assert.ok(last - first < 25 * MB, `from ${first} to ${last} bytes of heap`);
  await page.locator(".tilegrid").press("End");
  const log = page.getByRole("region", { name: "Output", exact: true });
  await log.getByText(`${String(LINES).padStart(6, "0")} `).waitFor();
  const size = await page.locator(".facts-line").innerText();
  assert.match(size, /1\.0 MiB|1015 KiB|1016 KiB|101\d KiB/);
  await page.evaluate(() => (document.querySelector(".log").scrollTop = 0));
  await log.getByText("000001 ").waitFor();
  await page.getByLabel("Search this output").fill("005000 ");
  await log.locator(".ln.here").waitFor();
  assert.match(await log.locator(".ln.here").innerText(), /^005000 /);
  await page.getByRole("button", { name: "Wrap long lines" }).click();
  await log.locator(".ln.here").first().waitFor();
  assert.ok((await elements(page)) < 2500, `${await elements(page)} elements`);
  const after_ = await heap(page);
  assert.ok(after_ - first < 30 * MB, `from ${first} to ${after_} bytes of heap`);
  console.log(`heap: ${first} at first, ${last} with all output, ${after_} after looking around`);
});
