// Users, API tokens and the audit log in a browser.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { accessible, Browser, goto, signIn } from "./browser.mjs";
import { Fleet } from "./fleet.mjs";

let fleet;
let browser;
let session;

before(async () => {
  fleet = await Fleet.start({
    machines: [{ id: "host-a", type: "VPS" }],
    scripts: { hello: { text: "#!/bin/bash\necho hello\n" } },
    servers: 1,
  });
  await fleet.sync();
  browser = await Browser.start();
  session = await signIn(fleet);
});
after(async () => {
  await browser?.stop();
  await fleet?.stop();
});
afterEach(() => browser.clear());

const note = (page, text) => page.getByRole("region", { name: "Notes" }).getByText(text);
const row = (page, text) => page.getByRole("row").filter({ hasText: text });

test("a user is made, gets another role and password, and goes", async () => {
  const page = await browser.tab(fleet, { session, faults: ["400", "409"] });
  await goto(page, "/users", "Users");
  await page.getByRole("button", { name: "New user…" }).click();
  const dialog = page.getByRole("dialog", { name: "New user" });
  await dialog.getByLabel("User name").fill("nora");
  await dialog.getByLabel("Password").fill("short");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.locator("[aria-invalid=true]").waitFor();
  await accessible(page);
  await dialog.getByLabel("Password").fill("a long password");
  await dialog.getByRole("button", { name: "Create" }).click();
  await note(page, "nora can sign in now.").waitFor();
  assert.equal((await signIn(fleet, "nora", "a long password")).role, "operator");
  await accessible(page);
  const role = async (name) => {
    await row(page, "nora").getByRole("button", { name: "Acts for nora" }).click();
    await page.getByRole("menuitemradio", { name }).click();
  };
  await role("viewer");
  await note(page, "nora is viewer now.").waitFor();
  await row(page, "nora").getByText("viewer", { exact: true }).waitFor();
  await role("operator");
  await note(page, "nora is operator now.").waitFor();
  await row(page, "nora").getByText("operator", { exact: true }).waitFor();
  await role("viewer");
  await note(page, "nora is viewer now.").nth(1).waitFor();
  await row(page, "nora").getByRole("button", { name: "Acts for nora" }).click();
  await page.getByRole("menuitem", { name: "New password…" }).click();
  await page.getByRole("textbox", { name: "New password" }).fill("another long one");
  await page.getByRole("button", { name: "Set password" }).click();
  await note(page, "nora has a new password.").waitFor();
  assert.equal((await signIn(fleet, "nora", "another long one")).role, "viewer");
  await row(page, "nora").getByRole("button", { name: "Acts for nora" }).click();
  await page.getByRole("menuitem", { name: "Remove…" }).click();
  await page.getByRole("dialog").getByText("nora").waitFor();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await row(page, "nora").waitFor({ state: "detached" });
  await row(page, "admin").getByRole("button", { name: "Acts for admin" }).click();
  await page.getByRole("menuitem", { name: "Remove…" }).click();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await note(page, "LAST_ADMIN").waitFor();
});

test("a token is shown once, works, and is revoked", async () => {
  const page = await browser.tab(fleet, { session });
  await goto(page, "/tokens", "API tokens");
  await page.getByText("There are no API tokens").waitFor();
  await page.getByRole("button", { name: "New token…" }).click();
  await page.getByLabel("Name").fill("pipeline");
  await page.getByLabel("Role").selectOption("viewer");
  await accessible(page);
  await page.getByRole("button", { name: "Create" }).click();
  const token = await page.getByLabel("Token", { exact: true }).innerText();
  assert.match(token, /^lko_[\w-]{43}$/);
  await accessible(page);
  await page.getByRole("button", { name: "Copy" }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), token);
  await page.getByRole("button", { name: "Done" }).click();
  const links = (bearer) =>
    fetch(`${fleet.url}/api/links`, { headers: { Authorization: `Bearer ${bearer}` } });
  assert.equal((await links(token)).status, 200);
  assert.doesNotMatch(await page.content(), new RegExp(token));
  await row(page, "pipeline").waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Revoke pipeline" }).click();
  await page.getByRole("dialog").getByText("pipeline").waitFor();
  await page.getByRole("button", { name: "Revoke", exact: true }).click();
  await page.getByText("There are no API tokens").waitFor();
  assert.equal((await links(token)).status, 401);
});

test("the audit log says who did what, and that nobody changed it", async () => {
  const id = await fleet.run(["hello"], ["host-a"]);
  const page = await browser.tab(fleet, { session });
  await goto(page, "/audit?action=operation.run", "Audit");
  await row(page, id).getByText("admin").waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Clear filters" }).click();
  await row(page, "auth.login").first().waitFor();
  await page.getByLabel("Who").fill("nobody");
  await page.keyboard.press("Enter");
  await page.getByText("No act fits these filters").waitFor();
  assert.match(page.url(), /actor=nobody/);
  await page.getByRole("button", { name: "Check the chain" }).click();
  await page.getByText(/The chain of [\d,]+ acts is whole/).waitFor();
  await accessible(page);
});
