// Menus that drop from a button: links and acts, with arrow keys and Escape.

import { h } from "../core/dom.js";
import { icon } from "./icons.js";

let counter = 0;

// A button with its menu. `items` is asked each time: `{label, icon, href, run, hint, checked}`,
// `{title}` or `"line"`.
export function menuButton(content, { items, label, kind = "" }) {
  const id = `menu-${++counter}`;
  const menu = h("div.menu", { id, popover: "auto", role: "menu", onkeydown: move });
  const button = h(
    `button${kind}`,
    {
      type: "button",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      "aria-label": label,
      onclick: toggle,
    },
    content,
  );
  menu.addEventListener("toggle", (event) => {
    const open = event.newState === "open";
    button.setAttribute("aria-expanded", String(open));
    if (!open) menu.remove();
  });

  function toggle() {
    if (menu.isConnected) return menu.hidePopover();
    menu.replaceChildren(...items().map(entry));
    document.body.append(menu);
    menu.showPopover();
    place(menu, button);
    menu.querySelector("button, a")?.focus();
  }

  function entry(item) {
    if (item === "line") return h("hr");
    if (item.title) return h("div.title", { role: "none" }, item.title);
    const inside = [
      item.icon && icon(item.icon),
      item.label,
      item.checked && h("span.hint", icon("check")),
      item.hint && h("span.hint", item.hint),
    ];
    const role = item.checked === undefined ? "menuitem" : "menuitemradio";
    const attributes = {
      role,
      "aria-checked": item.checked === undefined ? null : String(item.checked),
    };
    const leave = () => (menu.hidePopover(), button.focus());
    if (item.href) return h("a", { ...attributes, href: item.href, onclick: leave }, inside);
    return h(
      "button",
      { ...attributes, type: "button", onclick: () => (leave(), item.run()) },
      inside,
    );
  }

  function move(event) {
    const all = [...menu.querySelectorAll("button, a")];
    const at = all.indexOf(document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === "Escape") button.focus();
    if (next === undefined) return;
    event.preventDefault();
    all[(next + all.length) % all.length].focus();
  }

  return button;
}

// Below the button, or above it when there is more room; never beyond the edge of the window.
function place(menu, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = innerHeight - at.bottom > height + 8 || at.top < innerHeight - at.bottom;
  const left = Math.max(8, Math.min(at.left, innerWidth - width - 8));
  const top = below ? at.bottom + 4 : at.top - height - 4;
  menu.style.left = `${left}px`;
  menu.style.top = `${Math.max(8, top)}px`;
}
