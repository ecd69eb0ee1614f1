// A terminal of xterm.js in our colours, for panes and for recordings. It is read no faster than it
// is drawn: who writes is told when to go on.

import { Terminal } from "@xterm/xterm";
import { FitAddon } from "@xterm/addon-fit";
import { copyText } from "../core/clipboard.js";
import { loadStyle } from "./style.js";

const css = "asset:xterm.css";
// Characters that may wait to be drawn before a writer has to.
const MOST = 256 * 1024;

// Gives `{term, fit, find(text, isBack), write(data), after(act), open(place), dispose()}`. What `write`
// gives is to be waited for when it is a promise; `after` does something when all that was written is drawn.
export async function makeTerm(options = {}) {
  await loadStyle(css);
  const term = new Terminal({
    allowProposedApi: true,
    cursorBlink: false,
    fontFamily: style("--mono"),
    fontSize: 13,
    scrollback: 10_000,
    minimumContrastRatio: 4.5,
    theme: colours(),
    ...options,
  });
  const fit = new FitAddon();
  term.loadAddon(fit);
  const repaint = () => (term.options.theme = colours());
  document.addEventListener("themechange", repaint);
  term.attachCustomKeyEventHandler((event) => !copies(event, term));
  let isOver = false;
  let waiting = 0;
  let resume = [];

  function write(data) {
    waiting += data.length;
    term.write(data, () => {
      waiting -= data.length;
      if (waiting < MOST / 2) {
        resume.forEach((one) => one());
        resume = [];
      }
    });
    return waiting < MOST ? undefined : new Promise((resolve) => resume.push(resolve));
  }

  // What is written waits in a list of the terminal; so another size, or a reset, has to wait too.
  const after = (act) => term.write("", () => isOver || act());

  let search = null;

  // The search is loaded when it is used.
  async function find(text, isBack) {
    const { SearchAddon } = await import("@xterm/addon-search");
    if (search === null) term.loadAddon((search = new SearchAddon()));
    if (isBack) search.findPrevious(text);
    else search.findNext(text);
  }

  function dispose() {
    isOver = true;
    document.removeEventListener("themechange", repaint);
    resume.forEach((one) => one());
    term.dispose();
  }

  return { term, fit, find, write, after, dispose, open: (place) => term.open(place) };
}

// Ctrl+Shift+C copies, as in other terminals; Ctrl+C alone belongs to the machine.
function copies(event, term) {
  if (!(event.ctrlKey && event.shiftKey && event.code === "KeyC")) return false;
  if (event.type === "keydown" && term.hasSelection()) copyText(term.getSelection());
  event.preventDefault();
  return true;
}

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

function colours() {
  const found = {
    background: style("--log-ground"),
    foreground: style("--text"),
    cursor: style("--accent"),
    cursorAccent: style("--log-ground"),
    selectionBackground: style("--accent"),
    selectionForeground: style("--on-accent"),
  };
  NAMES.forEach((name, at) => {
    found[name] = style(`--ansi-${at}`);
    found[`bright${name[0].toUpperCase()}${name.slice(1)}`] = style(`--ansi-${at + 8}`);
  });
  return found;
}

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
