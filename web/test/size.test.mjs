// How much a browser has to load: what stands in web/dist, as it is sent.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

const dist = join(dirname(fileURLToPath(import.meta.url)), "../dist");
const files = new Map(
  readdirSync(dist)
    .filter((name) => name.endsWith(".gz") && name !== "index.html.gz")
    .map((name) => [`/assets/${name.slice(0, -3)}`, readFileSync(join(dist, name))]),
);

// A page's module with all that it imports, and the styles that it names; not what it asks for later.
function needs(text, found) {
  for (const [, address] of text.matchAll(
    /(?:from |\bimport |href=|src=|= )"(\/assets\/[^"]+)"/g,
  )) {
    if (found.has(address)) continue;
    found.add(address);
    if (address.endsWith(".js")) needs(gunzipSync(files.get(address)).toString(), found);
  }
  return found;
}

function size(...starts) {
  const found = needs(readFileSync(join(dist, "index.html"), "utf8"), new Set());
  for (const name of starts) {
    const address = [...files.keys()].find((one) => one.startsWith(`/assets/${name}-`));
    assert.ok(address, name);
    found.add(address);
    needs(gunzipSync(files.get(address)).toString(), found);
  }
  const sum = [...found].reduce((all, address) => all + files.get(address).length, 0);
  return sum + readFileSync(join(dist, "index.html.gz")).length;
}

test("the first page is below 40 kB, also when it is the overview", () => {
  assert.ok(size("signin") < 40_000, `signing in: ${size("signin")} bytes`);
  assert.ok(size("overview") < 40_000, `overview: ${size("overview")} bytes`);
  console.log(`signing in: ${size("signin")} bytes, overview: ${size("overview")}`);
});

test("a page with terminals is below 140 kB", () => {
  assert.ok(size("workspace") < 140_000, `${size("workspace")} bytes`);
  console.log(`terminals: ${size("workspace")} bytes`);
});

test("nothing names another host", () => {
  for (const [address, bytes] of files) {
    const text = gunzipSync(bytes).toString();
    const ours = !/^\/assets\/(xterm|addon|uplot|licences)/.test(address);
    if (ours)
      assert.doesNotMatch(
        text.replaceAll("http://www.w3.org/2000/svg", ""),
        /https?:\/\/(?!git\.example)/,
        address,
      );
  }
});

// The build takes out lines that are comments, without looking whether they are inside of a text.
test("no text in a module has a line that looks like a comment", () => {
  for (const folder of ["core", "pages", "parts"]) {
    for (const name of readdirSync(join(dist, "..", folder))) {
      const text = readFileSync(join(dist, "..", folder, name), "utf8").replace(
        /^\s*\/\/.*$/gm,
        "\u0000",
      );
      const inside = text.split("`").filter((_, at) => at % 2 === 1);
      assert.ok(!inside.some((one) => one.includes("\u0000")), `${folder}/${name}`);
    }
  }
});
