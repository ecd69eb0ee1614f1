// Equal outputs together: on many machines the few that differ are what one looks for. The largest
// group comes first; each other one shows how it differs from it.

import { get } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { names, plural } from "../core/format.js";
import { keepFresh } from "../core/live.js";
import { readLine } from "../core/ansi.js";
import { emptyBox, failureBox } from "./failure.js";
import { status } from "./status.js";

const MOST_LINES = 400;

// The view for an operation; `choose(target, script)` leads to one machine's whole output.
export function groupView({ id, catalogue, isOver, choose, signal }) {
  const element = h("div.stack");
  let shown = false;
  const fresh = keepFresh({
    every: 5000,
    signal,
    async task() {
      if (shown && isOver()) return;
      const isLast = isOver();
      const { scripts } = await get(`/api/operations/${id}/groups`, {}, signal);
      shown = isLast;
      replace(
        element,
        scripts.map((one) => section(one, catalogue, choose)),
      );
    },
    failed: (error) =>
      replace(
        element,
        error.isMissingCall
          ? emptyBox({ title: "This server cannot group outputs", symbol: "info" })
          : failureBox(error, () => fresh()),
      ),
  });
  return element;
}

function section({ script, groups }, catalogue, choose) {
  const name = catalogue.get(script)?.name ?? script;
  const machines = groups.reduce((sum, one) => sum + one.count, 0);
  const words =
    groups.length === 1
      ? `the same on ${plural(machines, "machine")}`
      : `${plural(groups.length, "different result")} on ${plural(machines, "machine")}`;
  return h(
    "section.stack.tight",
    { "aria-label": name },
    h("div.row", h("h2", name), h("span.soft", words)),
    groups.map((one, at) => group(one, at, script, choose)),
  );
}

function group(one, at, script, choose) {
  const targets = h(
    "ul.targets",
    one.targets
      .slice(0, 60)
      .map((id) =>
        h("li", h("button.link", { type: "button", onclick: () => choose(id, script) }, id)),
      ),
    one.targets.length > 60 && h("li.soft", `and ${one.targets.length - 60} more`),
  );
  const diff = one.diff
    ? h(
        "pre.diff",
        { tabindex: "0", "aria-label": "Difference from the first group" },
        diffLines(one.diff),
      )
    : null;
  const whole = outputs(one);
  return h(
    "article.card.group",
    { "aria-label": `${plural(one.count, "machine")}: ${names(one.targets, 3)}` },
    h(
      "header",
      h(
        "div.row",
        h("strong.big.number", one.count),
        status(one.status),
        one.exit_code !== null && h("span.soft", `exit code ${one.exit_code}`),
        one.truncated && h("span.status.warn", "cut at the limit"),
      ),
      at > 0 && h("span.soft.small", diffWords(one)),
    ),
    targets,
    diff,
    diff ? h("details", h("summary", "The whole output"), whole) : whole,
  );
}

function diffWords(one) {
  if (one.diff_omitted) return `not compared: ${one.diff_omitted}`;
  return one.diff === "" ? "prints the same as the first group" : "compared with the first group";
}

function outputs({ stdout, stderr }) {
  if (stdout === "" && stderr === "") return h("p.soft", "It printed nothing.");
  return [
    stdout !== "" && pre(stdout, "Standard output"),
    stderr !== "" && h("div.errors", pre(stderr, "Standard error")),
  ];
}

function pre(text, label) {
  const lines = text.replace(/\n$/, "").split("\n");
  const shown = lines.slice(0, MOST_LINES).map(
    (line) =>
      `${readLine(line)
        .spans.map((one) => one.text)
        .join("")}\n`,
  );
  return h(
    "pre.steps",
    { tabindex: "0", "aria-label": label },
    shown.join(""),
    lines.length > MOST_LINES && h("span.soft", `… and ${lines.length - MOST_LINES} more lines`),
  );
}

function diffLines(diff) {
  const lines = diff.replace(/\n$/, "").split("\n");
  const kinds = { "+": "added", "-": "removed", "@": "place" };
  const kind = (line) => (/^(\+\+\+|---) /.test(line) ? "place" : kinds[line[0]]);
  const made = lines.slice(0, MOST_LINES).map((line) =>
    h(
      kind(line) ? `span.${kind(line)}` : "span",
      readLine(line)
        .spans.map((one) => one.text)
        .join(""),
      "\n",
    ),
  );
  return [
    ...made,
    lines.length > MOST_LINES && h("span.soft", `… and ${lines.length - MOST_LINES} more lines`),
  ];
}
