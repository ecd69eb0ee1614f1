// Addresses and pages: which page an address means, and how one goes from page to page without
// loading anything twice. Each page has a signal that is aborted when it is left.

// The table of pages. It is given at the start: pages use this module, so it cannot name them.
let pages = [];

// The page of an address, with the parts that stand for names; none when there is no such page.
export function match(path) {
  const parts = path.replace(/\/+$/, "").split("/").slice(1);
  for (const page of pages) {
    const pattern = page.path === "/" ? [] : page.path.split("/").slice(1);
    if (pattern.length !== parts.length) continue;
    const params = {};
    const fits = pattern.every((one, at) => {
      if (!one.startsWith(":")) return one === parts[at];
      params[one.slice(1)] = decode(parts[at]);
      return parts[at] !== "";
    });
    if (fits) return { page, params };
  }
  return null;
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

let visit = null;
let open = async () => {};

// Starts: `show(match, visit)` puts a page in place of the one before.
export function start(table, show) {
  pages = table;
  open = async () => {
    const found = match(location.pathname);
    visit?.abort.abort();
    const abort = new AbortController();
    const mine = { abort, signal: abort.signal, onQuery: null, path: location.pathname };
    visit = mine;
    await show(found, mine);
    if (visit === mine) scrollBack(history.state?.scroll ?? 0, mine.signal);
  };
  history.scrollRestoration = "manual";
  addEventListener("popstate", () => {
    // The same page with other filters only takes them over.
    if (visit?.path === location.pathname && visit.onQuery) visit.onQuery(location.search);
    else open();
  });
  document.addEventListener("click", follow);
  return open();
}

// Back to the place where one was. Lists are not drawn yet: it is tried again as the page grows, until
// it is long enough, somebody takes over, or nothing came for too long.
function scrollBack(top, left) {
  scrollTo(0, top);
  if (top === 0) return;
  const abort = new AbortController();
  const { signal } = abort;
  const stop = () => abort.abort();
  const grown = new ResizeObserver(() => {
    scrollTo(0, top);
    if (Math.abs(scrollY - top) < 2) stop();
  });
  grown.observe(document.body);
  signal.addEventListener("abort", () => (grown.disconnect(), clearTimeout(timer)));
  const timer = setTimeout(stop, 5000);
  for (const kind of ["wheel", "pointerdown", "keydown"])
    addEventListener(kind, stop, { signal, passive: true });
  left.addEventListener("abort", stop, { signal });
}

// Links inside the console change the page without loading it.
function follow(event) {
  const link = event.target.closest?.("a[href]");
  const plain =
    event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute("download"))
    return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || !match(url.pathname)) return;
  if (url.pathname === location.pathname && url.search === location.search && url.hash) return;
  event.preventDefault();
  navigate(url.pathname + url.search);
}

// Goes to an address of the console.
export function navigate(address, { instead = false } = {}) {
  history.replaceState({ ...history.state, scroll: scrollY }, "");
  if (instead) history.replaceState({}, "", address);
  else history.pushState({}, "", address);
  return open();
}

// Shows the page of the present address anew.
export function reload() {
  return open();
}

// Takes other filters into the address, without a new entry in the history.
export function replaceQuery(query) {
  const address = location.pathname + query;
  if (address !== location.pathname + location.search)
    history.replaceState(history.state, "", address);
}
