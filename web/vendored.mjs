// What the console takes from others, and how it becomes a module; and the licences of all of it.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const modules = join(root, "node_modules");

// xterm.js writes style elements and style attributes as texts, which our Content-Security-Policy
// forbids; the same by way of the object model is allowed. In the place of style elements stand
// templates, and their text goes into a sheet that the document adopts.
const STYLE = `
function sheetElement(document) {
  const element = document.createElement("template");
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(element, "textContent", { set: (text) => void sheet.replaceSync(text) });
  const remove = element.remove.bind(element);
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    remove();
  };
  return element;
}
`;

// By the name under which our modules import them: a file below node_modules, or a text. `changes`
// are replaced in the file, each of which must be there as often as it says.
export const vendored = {
  "@xterm/xterm": {
    file: "@xterm/xterm/lib/xterm.mjs",
    changes: [
      [/([\w$]+(?:\.[\w$]+)*)\.createElement\("style"\)/g, "sheetElement($1)", 3],
      [
        /(\w+)\.setAttribute\("style",`\$\{\1\.getAttribute\("style"\)\|\|""\}\$\{(\w+)\};`\)/g,
        '$1.style.cssText+=$2+";"',
        1,
      ],
    ],
    append: STYLE,
  },
  "@xterm/addon-fit": { file: "@xterm/addon-fit/lib/addon-fit.mjs" },
  "@xterm/addon-search": { file: "@xterm/addon-search/lib/addon-search.mjs" },
  // The only minified form of uPlot sets a variable.
  uplot: { file: "uplot/dist/uPlot.iife.min.js", append: "\nexport default uPlot;\n" },
  "xterm.css": { file: "@xterm/xterm/css/xterm.css" },
  "uplot.css": { file: "uplot/dist/uPlot.min.css" },
  licences: { text: licences },
};

// A module with name, version and licence of everything that is in the program.
function licences() {
  const console_ = JSON.stringify(libraries(), null, 1);
  return `export const libraries = ${console_};\nexport const crates = ${JSON.stringify(crates(), null, 1)};\n`;
}

function libraries() {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return Object.keys(dependencies).map((name) => {
    const found = JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"));
    return { name, version: found.version, licence: found.license, text: licenceText(name) };
  });
}

function licenceText(name) {
  return readFileSync(join(modules, name, "LICENSE"), "utf8");
}

// The crates of the program, as cargo knows them.
function crates() {
  const options = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--no-dedupe"];
  const text = execFileSync("cargo", [...options, "--format", "{p}\t{l}"], {
    cwd: join(root, ".."),
    encoding: "utf8",
  });
  const found = new Map();
  for (const line of text.trim().split("\n")) {
    const [name, licence] = line.split("\t");
    const [, crate, version] = /^(\S+) v(\S+)/.exec(name);
    if (crate !== "linkops") found.set(crate, { name: crate, version, licence });
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
