// The head of a page: where one is, its title, and what can be done here.

import { h, replace } from "../core/dom.js";
import { ago, moment } from "../core/format.js";

// `crumb` is `{href, label}` of the list that the thing is from.
export function pageHead({ title, crumb, actions = [], under }) {
  const heading = h("h1", { tabindex: "-1" }, title);
  const element = h(
    "header.head",
    h(
      "div.titles",
      crumb && h("div.crumb", h("a", { href: crumb.href }, crumb.label)),
      heading,
      under,
    ),
    h("div.actions", actions),
  );
  return Object.assign(element, {
    rename: (text) => replace(heading, text),
    act: (...list) => replace(element.lastChild, list),
  });
}

// A time as "3 min ago", the exact one on demand.
export function timeAgo(ms, words = ago(ms)) {
  if (ms === null || ms === undefined) return h("span.soft", "never");
  return h(
    "time",
    { datetime: new Date(ms).toISOString(), title: new Date(ms).toLocaleString() },
    words,
  );
}

export function timeAt(ms) {
  if (ms === null || ms === undefined) return h("span.soft", "–");
  return h("time.number", { datetime: new Date(ms).toISOString(), title: ago(ms) }, moment(ms));
}
