// Builds the console: follows the imports from index.html, gives every file a name with the hash
// of its content, compresses it, and writes web/dist with a manifest for web/embed.rs. There is no
// bundler: a module stays a module, only the names in its imports change.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { vendored } from "./vendored.mjs";

const root = dirname(fileURLToPath(import.meta.url));
const out = join(root, "dist");

const TYPES = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".html": "text/html; charset=utf-8",
};

// What a module names: `from "x"`, `import "x"`, `import("x")` and files as `"asset:x"`.
const NAMES = /(\bfrom |\bimport |\bimport\()"([^"\n]+)"|"asset:([^"\n]+)"/g;

class Builder {
  #built = new Map();
  #open = [];

  // Builds a file and all that it needs; gives its entry. Circles have no order to be hashed in.
  build(path) {
    const known = this.#built.get(path);
    if (known) return known;
    if (this.#open.includes(path)) {
      throw new Error(`a circle of imports: ${[...this.#open, path].join(" -> ")}`);
    }
    this.#open.push(path);
    const entry = this.#make(path);
    this.#open.pop();
    this.#built.set(path, entry);
    return entry;
  }

  all() {
    return [...this.#built.values()];
  }

  #make(path) {
    const needs = new Set();
    let text = source(path);
    if (extname(path) === ".js" && !vendored[path]) {
      text = strip(text).replace(NAMES, (whole, before, module, asset) => {
        const entry = this.build(asset ?? resolve(path, module));
        if (before && before !== "import(") needs.add(entry);
        return asset ? `"${entry.url}"` : `${before}"${entry.url}"`;
      });
    }
    const bytes = Buffer.from(text);
    const name = path.replace(/^@/, "").replace(/^.*\/(?=[^/]+$)/, "");
    const stem = name.replace(/\.[^.]+$/, "");
    const kind = extname(path) || ".js";
    const url = `/assets/${stem}-${hash(bytes)}${kind}`;
    return { path, url, bytes, type: TYPES[kind], needs };
  }
}

// The text of a file of ours, or of a library.
function source(path) {
  const library = vendored[path];
  if (!library) return readFileSync(join(root, path), "utf8");
  if (library.text) return library.text();
  const text = readFileSync(join(root, "node_modules", library.file), "utf8");
  const bare = text.replace(/\n\/[/*]# sourceMappingURL=.*\n?/g, "\n");
  return change(bare, path, library.changes ?? []) + (library.append ?? "");
}

// A library's text with our changes; a change that does not fit any more ends the build.
function change(text, path, changes) {
  return changes.reduce((all, [pattern, better, times]) => {
    const found = all.match(pattern)?.length ?? 0;
    if (found !== times)
      throw new Error(`${path}: ${pattern} is there ${found} times, not ${times}`);
    return all.replace(pattern, better);
  }, text);
}

function resolve(from, name) {
  if (vendored[name]) return name;
  const path = normalize(join(dirname(from), name));
  if (!name.startsWith(".") || !existsSync(join(root, path))) {
    throw new Error(`${from} imports ${name}, which is neither a file nor in vendored.mjs`);
  }
  return path;
}

// Takes out comments that have lines of their own. A test keeps such lines out of templates.
export function strip(text) {
  return text.replace(/^[ \t]*\/\*\*?[^]*?\*\/[ \t]*\n/gm, "").replace(/^[ \t]*\/\/.*\n/gm, "");
}

function hash(bytes) {
  return createHash("sha256").update(bytes).digest("base64url").slice(0, 12);
}

// All that a module needs before it can run, itself first.
function closure(entry, found = new Set()) {
  if (!found.has(entry)) {
    found.add(entry);
    entry.needs.forEach((one) => closure(one, found));
  }
  return found;
}

// The page: its `asset:` names become addresses, and what the entry module needs is preloaded, so
// that it arrives in one go.
function page(builder) {
  const html = readFileSync(join(root, "index.html"), "utf8");
  const app = builder.build("app.js");
  const preload = [...closure(app)].slice(1);
  const links = preload.map((one) => `    <link rel="modulepreload" href="${one.url}">\n`).join("");
  return html
    .replace(/[ \t]*<!--[^]*?-->\n/g, "")
    .replace(/"asset:([^"]+)"/g, (_, path) => `"${builder.build(path).url}"`)
    .replace("  </head>", `${links}  </head>`);
}

// The addresses that are pages: the server answers them with index.html.
async function pageAddresses() {
  const { pages } = await import("./core/routes.js");
  return pages.map((one) => one.path).sort();
}

// Writes a file only when it has changed, so that cargo sees no change where there is none.
function write(name, bytes) {
  const path = join(out, name);
  if (existsSync(path) && readFileSync(path).equals(bytes)) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

function removeOthers(kept) {
  for (const name of readdirSync(out)) {
    if (name !== ".gitignore" && !kept.has(name)) rmSync(join(out, name), { recursive: true });
  }
}

async function main() {
  const builder = new Builder();
  const html = Buffer.from(page(builder));
  const lines = [];
  const kept = new Set(["manifest", "index.html", "index.html.gz"]);
  for (const { url, bytes, type } of builder.all()) {
    const name = `${url.split("/").pop()}.gz`;
    kept.add(name);
    write(name, gzipSync(bytes, { level: 9 }));
    lines.push(["asset", url, name, type].join("\t"));
  }
  write("index.html", html);
  write("index.html.gz", gzipSync(html, { level: 9 }));
  lines.push(["index", hash(html)].join("\t"));
  for (const address of await pageAddresses()) lines.push(["page", address].join("\t"));
  removeOthers(kept);
  write("manifest", Buffer.from(lines.sort().join("\n") + "\n"));
  console.log(`console: ${builder.all().length} files in ${relative(process.cwd(), out) || "."}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
