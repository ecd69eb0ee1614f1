// Users, API tokens and the audit log in a browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { accessible, goto, signIn } from "./browser.mjs";
import { note, useFleet } from "./world.mjs";

const world = useFleet({
  machines: [{ id: "host-a", type: "VPS" }],
  scripts: { hello: { text: "#!/bin/bash\necho hello\n" } },
  servers: 1,
});

const row = (page, text) => page.getByRole("row").filter({ hasText: text });

test("a user is made, gets another role and password, and goes", async () => {
  const page = await world.open("/users", "Users", { faults: ["400", "409"] });
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
  assert.equal((await signIn(world.fleet, "nora", "a long password")).role, "operator");
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
  assert.equal((await signIn(world.fleet, "nora", "another long one")).role, "viewer");
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
  const page = await world.open("/tokens", "API tokens");
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
    fetch(`${world.fleet.url}/api/links`, { headers: { Authorization: `Bearer ${bearer}` } });
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

// Over plain HTTP browsers give pages no clipboard.
const bare = () =>
  Object.defineProperty(Navigator.prototype, "clipboard", { get: () => undefined });

test("a token is not lost by a slip of the mouse, and is copied over plain HTTP too", async () => {
  const page = await world.tab();
  await page.addInitScript(bare);
  await goto(page, "/tokens", "API tokens");
  const create = async (name) => {
    await page.getByRole("button", { name: "New token…" }).click();
    await page.getByLabel("Name").fill(name);
    await page.getByRole("button", { name: "Create" }).click();
  };
  await create("slippery");
  const place = page.getByLabel("Token", { exact: true });
  const token = await place.innerText();
  const box = await place.boundingBox();
  await page.mouse.move(box.x + 30, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(20, 20, { steps: 4 });
  await page.mouse.up();
  await page.mouse.click(20, 20);
  assert.equal(await place.innerText(), token);
  await page.getByRole("button", { name: "Copy" }).click();
  await note(page, "The token was copied.").waitFor();
  await page.evaluate(() => (document.execCommand = () => false));
  await page.getByRole("button", { name: "Copy" }).click();
  await note(page, "The text is selected: press Ctrl+C.").waitFor();
  assert.equal(await page.evaluate(() => getSelection().toString()), token);
  await page.getByRole("button", { name: "Done" }).click();
  const revoke = page.getByRole("dialog", { name: "Revoke this token?" });
  await page.getByRole("button", { name: "Revoke slippery" }).click();
  const text = await revoke.getByText("Whatever uses it").boundingBox();
  await page.mouse.move(text.x + 20, text.y + 5);
  await page.mouse.down();
  await page.mouse.move(20, 20, { steps: 4 });
  await page.mouse.up();
  assert.equal(await revoke.count(), 1);
  await page.mouse.click(20, 20);
  await revoke.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "New token…" }).click();
  await page.getByLabel("Name").press("Control+v");
  assert.equal(await page.getByLabel("Name").inputValue(), token);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Revoke slippery" }).click();
  await revoke.getByRole("button", { name: "Revoke" }).click();
  await page.getByText("There are no API tokens").waitFor();
});

test("the audit log says who did what, and that nobody changed it", async () => {
  const id = await world.fleet.run(["hello"], ["host-a"]);
  const page = await world.open("/audit?action=operation.run", "Audit");
  await row(page, id).getByText("admin").waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Clear filters" }).click();
  await row(page, "auth.login").first().waitFor();
  const today = new Date().toISOString().slice(0, 10);
  await page.getByText("From", { exact: true }).locator("input").fill(today);
  await page.getByText("Until", { exact: true }).locator("input").fill(today);
  await page.waitForURL((url) => url.search.includes(`to=${today}`));
  await row(page, "auth.login").first().waitFor();
  await page.getByText("From", { exact: true }).locator("input").fill("2999-01-01");
  await page.getByText("No act fits these filters").waitFor();
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
