// What stays around all pages: the navigation, the banner of a lost connection, and the keys that
// work everywhere.

import { connection, get, post } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { bindKeys } from "../core/keys.js";
import { keepFresh } from "../core/live.js";
import { navigation } from "../core/navigation.js";
import { navigate } from "../core/router.js";
import { end, may, session } from "../core/session.js";
import { setTheme, theme, themes } from "../core/themes.js";
import { icon } from "./icons.js";
import { menuButton } from "./menu.js";

const forever = new AbortController().signal;
const allowed = () => navigation.filter((one) => !one.role || may(one.role));

let shell = null;

// Builds it once per sign-in and gives the place where pages go.
export function enterShell() {
  if (shell) return shell.main;
  const abort = new AbortController();
  const main = h("main", { id: "main", tabindex: "-1" });
  const running = h("span.count", { hidden: true });
  const side = sidebar(running);
  const bar = tabs();
  const banner = h(
    "div.banner",
    { role: "status", hidden: true },
    icon("info"),
    "LinkOps does not answer. What you see may be old; the page tries again by itself.",
  );
  connection.addEventListener("down", () => (banner.hidden = false), { signal: abort.signal });
  connection.addEventListener("up", () => (banner.hidden = true), { signal: abort.signal });
  const element = h(
    "div.shell",
    h(
      "a.button.skip",
      { href: "#main", onclick: (event) => (event.preventDefault(), main.focus()) },
      "Skip to the content",
    ),
    side,
    h("div", banner, main),
    bar,
  );
  document.body.prepend(element);
  bindKeys(globalKeys(), abort.signal);
  countRunning(running, abort.signal);
  shell = { element, main, side, bar, abort };
  return main;
}

export function leaveShell() {
  shell?.abort.abort();
  shell?.element.remove();
  shell = null;
}

// Marks where one is.
export function markPlace(path) {
  const first = `/${path.split("/")[1]}`;
  const place = first === "/recordings" ? "/terminal" : first;
  for (const link of document.querySelectorAll(".nav a, .tabs a")) {
    const here = link.getAttribute("href") === place;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function sidebar(running) {
  const links = allowed().map((one) =>
    h(
      "a",
      { href: one.path, title: one.label },
      icon(one.icon),
      h("span.label", one.label),
      one.path === "/operations" && running,
    ),
  );
  const { username, role } = session();
  return h(
    "div.sidebar",
    h(
      "a.brand",
      { href: "/", "aria-label": "LinkOps, to the overview" },
      h("img", { src: "asset:icon.svg", alt: "" }),
      h("span.label", "LinkOps"),
    ),
    h(
      "button.find",
      { type: "button", onclick: openPalette },
      icon("search"),
      h("span.label", "Go to…"),
      h("kbd", "Ctrl K"),
    ),
    h("nav.nav", { "aria-label": "Pages" }, links),
    h(
      "div.bottom",
      menuButton(
        [
          icon("user"),
          h("span.label", username, h("span.role", role)),
          h("span.unseen", ": account, theme, sign out"),
        ],
        { items: ownMenu, kind: ".who" },
      ),
    ),
  );
}

function tabs() {
  const first = allowed().slice(0, 4);
  const rest = () => [
    ...allowed()
      .slice(4)
      .map((one) => ({ label: one.label, icon: one.icon, href: one.path })),
    "line",
    { label: "Go to or do…", icon: "search", run: openPalette },
    ...ownMenu(),
  ];
  return h(
    "nav.tabs",
    { "aria-label": "Pages, short" },
    first.map((one) => h("a", { href: one.path }, icon(one.icon), one.label)),
    menuButton([icon("more"), "More"], { items: rest }),
  );
}

function ownMenu() {
  return [
    { label: "Account", icon: "user", href: "/account" },
    { label: "Keys", icon: "keyboard", hint: "?", run: openKeys },
    { label: "About", icon: "info", href: "/about" },
    "line",
    { title: "Theme" },
    ...themes.map((one) => ({
      label: one.label,
      checked: one.id === theme(),
      run: () => setTheme(one.id),
    })),
    "line",
    { label: "Sign out", icon: "leave", run: signOut },
  ];
}

export async function signOut() {
  await post("/api/auth/logout", {}).catch(() => {});
  end();
  navigate("/signin", { instead: true });
}

async function openPalette() {
  (await import("./palette.js")).openPalette();
}

async function openKeys() {
  (await import("./shortcuts.js")).openShortcuts();
}

function globalKeys() {
  const go = allowed().map((one) => ({
    keys: `g ${one.key}`,
    label: `Go to ${one.label}`,
    run: () => navigate(one.path),
  }));
  return [
    { keys: "Ctrl+k", label: "Go to or do…", run: openPalette, everywhere: true },
    { keys: "?", label: "This list", run: openKeys },
    { keys: "/", label: "Search on this page", run: focusSearch },
    ...go,
  ];
}

function focusSearch() {
  const field = document.querySelector("main input[type=search]");
  if (field) (field.focus(), field.select());
  else openPalette();
}

// How many operations are running stands in the navigation on all pages.
function countRunning(place, signal) {
  const task = async () => {
    const { operations } = await get(
      "/api/operations",
      { status: "queued,running", limit: 100 },
      signal,
    );
    place.hidden = operations.length === 0;
    replace(place, String(operations.length), h("span.unseen", " running"));
  };
  keepFresh({ every: 5000, signal: signal ?? forever, task });
}
