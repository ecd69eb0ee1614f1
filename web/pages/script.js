// One script: its text at the commit that is in use, what it takes, and its latest runs.

import { get } from "../core/api.js";
import { h } from "../core/dom.js";
import { duration } from "../core/format.js";
import { took, where } from "../core/operations.js";
import { may } from "../core/session.js";
import { copyButton } from "../parts/copybutton.js";
import { pageHead, timeAgo } from "../parts/head.js";
import { icon, mark } from "../parts/icons.js";
import { statusMark, tags } from "../parts/status.js";

export default async function script({ params, signal, title }) {
  const id = encodeURIComponent(params.id);
  const [one, { operations }] = await Promise.all([
    get(`/api/scripts/${id}`, {}, signal),
    get("/api/operations", { script: params.id, limit: 8 }, signal),
  ]);
  title(one.name);
  const run =
    may("operator") &&
    h("a.button.primary", { href: `/operations/new?scripts=${id}` }, icon("play"), "Run…");
  const name = [one.emoji && h("span.emoji", { "aria-hidden": "true" }, one.emoji, " "), one.name];
  return h(
    "div.page",
    pageHead({
      title: name,
      crumb: { href: "/scripts", label: "Scripts" },
      actions: [run],
      under: h("p.soft", one.description),
    }),
    one.error &&
      h(
        "div.box.failure",
        h("span.status.fail", mark("fail")),
        h("div.grow", h("strong", "This script cannot be run"), h("p", one.error)),
      ),
    h("div.cards.two", facts(one), runs(operations)),
    one.source !== null && source(one),
  );
}

function facts(one) {
  const row = (name, ...value) => [h("dt", name), h("dd", value)];
  return h(
    "section.card",
    { "aria-label": "From the catalogue" },
    h("h2", "From the catalogue"),
    h(
      "dl.pairs",
      row("Id", h("code", one.id)),
      row("File", h("code", one.path)),
      row(
        "Flags",
        one.flags.length
          ? one.flags.map((flag) => h("div", h("code", flag)))
          : h("span.soft", "none"),
      ),
      row(
        "Estimate",
        one.estimatedDuration === null
          ? h("span.soft", "none")
          : duration(one.estimatedDuration * 1000),
      ),
      one.tags.length > 0 && row("Tags", tags(one.tags)),
      one.commit_hash && row("Commit", h("code", one.commit_hash.slice(0, 10))),
      one.sha256 && row("SHA-256", h("code", one.sha256)),
    ),
  );
}

function runs(operations) {
  const lines = operations.map((one) =>
    h(
      "li",
      statusMark(one.status),
      h(
        "span.grow",
        h("a", { href: `/operations/${one.id}` }, one.id),
        h("span.soft", ` on ${where(one)}, ${took(one)}`),
      ),
      h("span.soft.small", timeAgo(one.started)),
    ),
  );
  return h(
    "section.card.flush",
    { "aria-label": "Latest runs" },
    h("header", h("h2", "Latest runs")),
    lines.length ? h("ul.lines", lines) : h("div.box.empty", h("span.soft", "It has not run yet.")),
  );
}

function source(one) {
  const lines = one.source.replace(/\n$/, "").split("\n");
  const code = h(
    "code",
    lines.map((line, at) => h("span.line", { data: { n: at + 1 } }, line || "\u00a0")),
  );
  return h(
    "section.card.flush",
    { "aria-label": "Source" },
    h(
      "header",
      h("h2", one.path),
      copyButton({ text: one.source, place: code, told: "The text was copied.", kind: ".plain" }),
    ),
    h("pre.source", { tabindex: "0", "aria-label": "Text of the script" }, code),
  );
}
