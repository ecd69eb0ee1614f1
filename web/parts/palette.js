// The palette: go to a page, a machine, a script or an operation, or do something, by typing a part
// of its name.

import { get } from "../core/api.js";
import { h, newId, replace } from "../core/dom.js";
import { navigation } from "../core/navigation.js";
import { navigate } from "../core/router.js";
import { finder } from "../core/search.js";
import { may } from "../core/session.js";
import { setTheme, themes } from "../core/themes.js";
import { openDialog } from "./dialog.js";
import { icon } from "./icons.js";
import { loadStyle } from "./style.js";

const css = "asset:style/palette.css";
let isOpen = false;

export async function openPalette() {
  if (isOpen) return;
  isOpen = true;
  await loadStyle(css);
  let entries = fixed();
  let found = [];
  let at = 0;
  const list = h("ul.entries", {
    id: newId("entries"),
    role: "listbox",
    "aria-label": "What was found",
  });
  const input = h("input.ask", {
    type: "text",
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": list.id,
    "aria-label": "Go to or do",
    placeholder: "Go to or do…",
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => ((at = 0), show()),
    onkeydown: move,
  });
  let leave = () => {};
  const choose = (entry) => (leave(), entry.run());

  function show() {
    found = search(entries, input.value);
    const options = found.map((one, place) =>
      h(
        "li",
        {
          id: `${list.id}-${place}`,
          role: "option",
          "aria-selected": String(place === at),
          onclick: () => choose(one),
        },
        icon(one.icon),
        h("span.grow", one.label),
        h("span.soft.small", one.kind),
      ),
    );
    replace(
      list,
      options.length
        ? options
        : h(
            "li.soft",
            { role: "option", "aria-selected": "false" },
            "Nothing has that in its name.",
          ),
    );
    input.setAttribute("aria-activedescendant", found.length ? `${list.id}-${at}` : "");
    list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  function move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) at = (at + step + found.length) % found.length;
    else if (event.key === "Enter" && found[at]) return (event.preventDefault(), choose(found[at]));
    if (step) (event.preventDefault(), show());
  }

  show();
  more().then((list_) => ((entries = [...entries, ...list_]), show()));
  await openDialog({
    title: "Go to or do",
    content: (close) => ((leave = close), h("div.palette", input, list)),
    bare: true,
    onopen: () => input.focus(),
  });
  isOpen = false;
}

function fixed() {
  const pages = navigation
    .filter((one) => !one.role || may(one.role))
    .map((one) => ({
      label: one.label,
      kind: "page",
      icon: one.icon,
      run: () => navigate(one.path),
    }));
  const acts = [
    may("operator") && {
      label: "Run scripts",
      kind: "act",
      icon: "play",
      run: () => navigate("/operations/new"),
    },
    { label: "Recordings", kind: "page", icon: "film", run: () => navigate("/recordings") },
    {
      label: "Account, change password",
      kind: "page",
      icon: "user",
      run: () => navigate("/account"),
    },
    { label: "About, licences", kind: "page", icon: "info", run: () => navigate("/about") },
    ...themes.map((one) => ({
      label: `Theme: ${one.label}`,
      kind: one.hint,
      icon: "sun",
      run: () => setTheme(one.id),
    })),
  ];
  return [...pages, ...acts.filter(Boolean)];
}

// What only the server knows; without its answer the fixed entries remain.
async function more() {
  const [links, scripts, { operations }] = await Promise.all([
    get("/api/links").catch(() => []),
    get("/api/scripts").catch(() => []),
    get("/api/operations", { limit: 50 }).catch(() => ({ operations: [] })),
  ]);
  return [
    ...links.map((one) => ({
      label: one.name === one.id ? one.id : `${one.name}  ${one.id}`,
      kind: one.type,
      icon: "links",
      run: () => navigate(`/links/${encodeURIComponent(one.id)}`),
    })),
    ...scripts.map((one) => ({
      label: one.name,
      kind: "script",
      icon: "scripts",
      run: () => navigate(`/scripts/${encodeURIComponent(one.id)}`),
    })),
    ...operations.map((one) => ({
      label: `${one.id}  ${one.scripts.join(", ")}`,
      kind: one.status,
      icon: "operations",
      run: () => navigate(`/operations/${one.id}`),
    })),
  ];
}

// The best twelve: all words must be found; a name that begins with the text comes first.
export function search(entries, text) {
  const wanted = text.toLowerCase().trim();
  const fits = finder(text);
  const rate = (label) =>
    label.startsWith(wanted)
      ? 0
      : label.includes(` ${wanted}`)
        ? 1
        : label.includes(wanted)
          ? 2
          : 3;
  return entries
    .map((one, order) => ({ one, order, label: one.label.toLowerCase() }))
    .filter(({ label, one }) => fits(label, one.kind))
    .sort((a, b) => rate(a.label) - rate(b.label) || a.order - b.order)
    .slice(0, 12)
    .map(({ one }) => one);
}
