// All that was done on a machine, and when it went and came back, on one line of time. Each list that
// it is made of goes back only so far; the line ends where the first of them does.

import { get, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { duration } from "../core/format.js";
import { cutOff } from "../core/timeline.js";
import { emptyBox } from "./failure.js";
import { timeAt } from "./head.js";
import { statusMark } from "./status.js";

const PAGE = 30;
// The API gives no more at once.
const LARGEST = 500;
const MOST_CHECKS = 10_000;
// A week of checks, as they are made; and an hour of them.
const WEEK = 2016;
const HOUR = 12;

// Loads the lists for the machine `id`: `load()` anew, `more()` says that they are to go back further.
export function machineStory(id, signal) {
  const address = `/api/links/${encodeURIComponent(id)}/health`;
  let size = PAGE;
  let most = WEEK;
  let checks = null;
  let hasAllChecks = false;
  let recordings = [];
  let newest = null;

  // A week of checks is much to ask for all the time: the last ones are put to those that are known.
  async function renewChecks() {
    const known = checks?.at(-1)?.at;
    const limit = known === undefined ? most : HOUR;
    const { checks: found } = await get(address, { limit }, signal);
    if (limit === most) hasAllChecks = found.length < most;
    else if (found.length === limit && found[0].at > known) return ((checks = null), renewChecks());
    const from = found[0]?.at ?? Infinity;
    checks = [...(checks ?? []).filter((one) => one.at < from), ...found];
  }

  async function renewRecordings(acts) {
    const now = `${acts[0]?.time}`;
    if (now === newest && recordings.every((one) => one.ended !== null)) return;
    recordings = (await get("/api/recordings", {}, signal)).filter((one) => one.target === id);
    newest = now;
  }

  async function load() {
    const [{ operations, next_cursor: next }, { rows: acts, page }] = await Promise.all([
      get("/api/operations", { target: id, limit: size }, signal),
      terminals(id, size, signal),
      renewChecks().catch(() => {}),
    ]);
    await renewRecordings(acts).catch(() => {});
    checks ??= [];
    const since = cutOff([
      [operations.map(startOf), next === null],
      [acts.map((one) => one.time), page.next_cursor === null],
      [checks.map((one) => one.at), hasAllChecks || checks.length === 0],
    ]);
    return { checks, operations, acts, recordings, since, isLast: size === LARGEST };
  }

  function more() {
    size = Math.min(LARGEST, size * 2);
    most = Math.min(MOST_CHECKS, most * 2);
    checks = null;
  }
  return { load, more };
}

const startOf = (operation) => operation.started ?? Date.now();

// Openings of terminals.
async function terminals(id, size, signal) {
  const filters = [
    { col: "kind", op: "eq", val: "terminal" },
    { col: "subject", op: "eq", val: id },
  ];
  const body = { table: "tbl_recent_activity", filters, page: { size } };
  return post("/api/tables/query", body, signal).catch(() => ({
    rows: [],
    page: { next_cursor: null },
  }));
}

// The line, newest first; `more` is asked for what is older.
export function timeline(machine, story, more) {
  const entries = [
    ...story.operations.map((one) => ({
      at: startOf(one),
      mark: one.status,
      what: operationWords(one),
    })),
    ...story.acts.map((one) => ({
      at: one.time,
      mark: one.status,
      what: ["Terminal, ", h("span.soft", one.actor)],
    })),
    ...story.recordings.map((one) => ({
      at: one.started,
      mark: one.ended === null ? "running" : "success",
      what: recordingWords(one),
    })),
    ...changes(story.checks),
    ...verified(machine),
  ].filter((one) => story.since === null || one.at >= story.since);
  entries.sort((a, b) => b.at - a.at);
  if (entries.length === 0 && story.since === null)
    return emptyBox({ title: "Nothing was done on this machine yet", symbol: "clock" });
  return [
    h(
      "ol.lines.timeline",
      entries.map((one) =>
        h(
          "li",
          statusMark(one.mark),
          h("div.grow", one.what),
          h("span.soft.small.at", timeAt(one.at)),
        ),
      ),
    ),
    story.since !== null && end(machine, story, more),
  ];
}

// What is said where the line ends before everything is told.
function end(machine, { since, isLast }, more) {
  return h(
    "div.row.pad",
    isLast
      ? h("a", { href: `/operations?target=${encodeURIComponent(machine.id)}` }, "All operations")
      : h("button", { type: "button", onclick: more }, "Show older ones"),
    h("span.soft.small", "This goes back to ", timeAt(since), "."),
  );
}

function verified({ enrolled, enrollmentVerifiedAt: at }) {
  if (at === null) return [];
  const what = enrolled ? "Client id verified" : "Client id not as in the inventory";
  return [{ at, mark: enrolled ? "success" : "partial", what }];
}

function operationWords(one) {
  const took = one.duration === null ? "" : `, ${duration(one.duration)}`;
  return [
    h("a", { href: `/operations/${one.id}` }, one.id),
    " ",
    one.scripts.join(", "),
    h("span.soft", ` by ${one.triggered_by}${took}`),
  ];
}

function recordingWords(one) {
  const lasts = one.duration === null ? "" : `, ${duration(one.duration)}`;
  return [
    h("a", { href: `/recordings/${encodeURIComponent(one.id)}` }, "Recording"),
    h("span.soft", ` of ${one.actor}${lasts}`),
  ];
}

function changes(checks) {
  const found = [];
  checks.forEach((one, at) => {
    const before = checks[at - 1];
    if (before && before.reachable !== one.reachable) {
      found.push({
        at: one.at,
        mark: one.reachable ? "online" : "offline",
        what: one.reachable
          ? "Answers again"
          : ["Does not answer", one.error && h("span.soft", `: ${one.error}`)],
      });
    }
  });
  return found;
}
