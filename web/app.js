// The start of the console: who is signed in, which page the address means, and putting it there.

import { ApiError, get } from "./core/api.js";
import { h } from "./core/dom.js";
import { startKeys } from "./core/keys.js";
import { pages } from "./core/routes.js";
import { navigate, reload, start } from "./core/router.js";
import { may, onSession, restore, session } from "./core/session.js";
import { applyTheme } from "./core/themes.js";
import { emptyBox, failureBox } from "./parts/failure.js";
import { pageHead } from "./parts/head.js";
import { enterShell, leaveShell, markPlace } from "./parts/shell.js";

// Kept over a reload that was to bring a missing file, so that there is one and no more.
const RELOADED = "linkops.reloaded";
const spoken = h("div.unseen", { role: "status" });
let isFirst = true;

// Puts a page in its place. `found` is none for an address without a page.
async function show(found, visit) {
  const open = found?.page.open === true;
  if (!session() && !open) return navigate(`/signin${comeBack()}`, { instead: true });
  if (session() && found?.page.path === "/signin") return navigate("/", { instead: true });
  if (open) leaveShell();
  const place = open ? signinPlace() : enterShell();
  if (!open) document.querySelector(".signin")?.remove();
  markPlace(location.pathname);
  const content = await make(found, visit);
  if (visit.signal.aborted) return;
  place.replaceChildren(content);
  title(visit.title ?? found?.page.title ?? "No such page");
  // Who uses the keyboard, or hears the page, is taken to its beginning.
  if (!isFirst) content.querySelector("[autofocus], h1")?.focus({ preventScroll: true });
  isFirst = false;
}

async function make(found, visit) {
  if (!found) return message("No such page", "There is nothing at this address.");
  if (found.page.role && !may(found.page.role)) {
    return message(
      found.page.title,
      `This page is for the role ${found.page.role}; yours is ${session().role}.`,
    );
  }
  try {
    const module = await found.page.load();
    const content = await module.default({
      params: found.params,
      visit,
      signal: visit.signal,
      title: (text) => (visit.title = text),
    });
    sessionStorage.removeItem(RELOADED);
    return content;
  } catch (error) {
    const isMissing = error instanceof TypeError && /module/i.test(error.message);
    const shown = isMissing ? await missing(visit.signal) : error;
    const again = () => (sessionStorage.removeItem(RELOADED), reload());
    return h("div.page", pageHead({ title: found.page.title }), failureBox(shown, again));
  }
}

// A file does not come. When the server answers, it was updated since this page was loaded, and a
// reload brings the new files. Gives what to show otherwise.
async function missing(signal) {
  try {
    await get("/health", {}, signal);
  } catch (error) {
    return error;
  }
  if (sessionStorage.getItem(RELOADED) || signal.aborted)
    return new ApiError({
      code: "FILE_MISSING",
      message: "A file of this page cannot be loaded\ncheck what is between you and linkopsd",
    });
  sessionStorage.setItem(RELOADED, "yes");
  location.reload();
  return new Promise(() => {});
}

function message(title_, text) {
  const action = h("a.button", { href: "/" }, "To the overview");
  return h("div.page.narrow", pageHead({ title: title_ }), emptyBox({ title: text, action }));
}

function signinPlace() {
  const old = document.querySelector(".signin");
  if (old) return old;
  const place = h("main.signin", { id: "main" });
  document.body.prepend(place);
  return place;
}

function comeBack() {
  const here = location.pathname + location.search;
  return here === "/" ? "" : `?next=${encodeURIComponent(here)}`;
}

function title(text) {
  document.title = `${text} · LinkOps`;
  if (!isFirst) spoken.textContent = text;
}

applyTheme();
restore();
startKeys();
document.body.append(spoken);
onSession("end", (reason) => {
  if (reason) sessionStorage.setItem("linkops.reason", reason);
  if (!location.pathname.startsWith("/signin")) navigate(`/signin${comeBack()}`, { instead: true });
});
await start(pages, show);
