// One machine: how it stands, what the inventory says of it, how fast it answered, and all that
// was done on it, on one line of time.

import { ApiError, get, post } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { count, duration } from "../core/format.js";
import { keepFresh } from "../core/live.js";
import { may } from "../core/session.js";
import { emptyBox, failureBox } from "../parts/failure.js";
import { pageHead, timeAgo, timeAt } from "../parts/head.js";
import { icon } from "../parts/icons.js";
import { done, failed } from "../parts/notes.js";
import { badge, enrolled, statusMark, statusWord, tags, typeTag } from "../parts/status.js";
import { loadStyle } from "../parts/style.js";

const css = "asset:style/link.css";

export default async function link({ params, signal, title }) {
  const [{ latencyChart }] = await Promise.all([import("../parts/chart.js"), loadStyle(css)]);
  const curve = Object.assign(await latencyChart(signal), { span: "day" });
  const address = `/api/links/${encodeURIComponent(params.id)}`;
  let machine = await get(address, {}, signal);
  let result = null;
  const head = pageHead({
    title: machine.name,
    crumb: { href: "/links", label: "Links" },
    actions: actions(),
    under: h("div.row"),
  });
  const told = h("div", { role: "status" });
  const facts = h("section.card", { "aria-label": "From the inventory" });
  const answer = h("section.card", { "aria-label": "Latency" });
  const story = h("section.card.flush", { "aria-label": "Timeline" });
  title(machine.name);

  const fresh = keepFresh({
    every: 10_000,
    signal,
    async task() {
      machine = await get(address, {}, signal);
      const [checks, { operations }, acts] = await Promise.all([
        get(`${address}/health`, { limit: curve.span === "day" ? 288 : 2016 }, signal)
          .then(({ checks }) => checks)
          .catch(() => []),
        get("/api/operations", { target: machine.id, limit: 30 }, signal),
        terminals(machine.id, signal),
      ]);
      show(checks, operations, acts);
    },
    failed: (error) =>
      error instanceof ApiError && error.status === 404 && replace(told, failureBox(error)),
  });

  function actions() {
    if (!may("operator")) return [];
    const id = encodeURIComponent(machine.id);
    return [
      h("a.button.primary", { href: `/operations/new?targets=${id}` }, icon("play"), "Run scripts"),
      h("a.button", { href: `/terminal?targets=${id}` }, icon("terminal"), "Terminal"),
      h("button", { type: "button", onclick: verify }, icon("shield"), "Verify"),
    ];
  }

  async function verify(event) {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      result = await post(`${address}/verify`, {}, signal);
      if (result.enrolled) done(`${machine.id} is the machine that the inventory means.`);
    } catch (error) {
      if (error.code === "SSH_CONNECTION_FAILED") result = error.details;
      else failed(error);
    } finally {
      button.disabled = false;
      fresh();
    }
  }

  function show(checks, operations, acts) {
    replace(
      head.querySelector(".titles .row"),
      badge(machine.status),
      enrolled(machine),
      typeTag(machine.type),
      tags(machine.tags),
    );
    replace(told, notEnrolled(machine, result));
    replace(facts, h("h2", "From the inventory"), inventory(machine));
    replace(
      answer,
      latency(machine, checks, curve, (span) => ((curve.span = span), fresh())),
    );
    curve.show(checks);
    replace(story, h("header", h("h2", "Timeline")), timeline(machine, checks, operations, acts));
  }

  await fresh.first;
  return h("div.page", head, told, h("div.cards.two", h("div.stack", answer, facts), story));
}

// Openings of terminals, for those who may read them.
async function terminals(id, signal) {
  const filters = [
    { col: "kind", op: "eq", val: "terminal" },
    { col: "subject", op: "eq", val: id },
  ];
  const body = { table: "tbl_recent_activity", filters, page: { size: 20 } };
  return post("/api/tables/query", body, signal)
    .then(({ rows }) => rows)
    .catch(() => []);
}

// What to do about a machine that is not enrolled: the exact commands.
function notEnrolled(machine, result) {
  if (machine.enrolled) return null;
  const why =
    result?.error ??
    (machine.enrollmentVerifiedAt === null
      ? "It was not verified yet."
      : "The last check did not find its client id.");
  return h(
    "div.box.hint",
    h("span.status.warn", icon("noshield")),
    h(
      "div.grow",
      h("strong", `${machine.id} is not enrolled: scripts and terminals are refused`),
      h("p", why),
      h("p", "On the machine, as root, write its client id and verify it then:"),
      h(
        "pre.steps",
        `mkdir -p /etc/linkops\necho ${machine.enrollmentId} > /etc/linkops/client_id`,
      ),
    ),
  );
}

function inventory({ id, provider, ssh, enrollmentId, enrollmentVerifiedAt, health, metadata }) {
  const row = (name, ...value) => [h("dt", name), h("dd", value)];
  return h(
    "dl.pairs",
    row("Id", h("code", id)),
    row("Address", h("code", `${ssh.user}@${ssh.host}:${ssh.port}`)),
    ssh.proxyJump &&
      row(
        "Through",
        h("a", { href: `/links/${encodeURIComponent(ssh.proxyJump)}` }, ssh.proxyJump),
      ),
    ssh.keyRef && row("Key", h("code", ssh.keyRef)),
    provider && row("Provider", provider),
    row("Client id", h("code", enrollmentId)),
    row("Verified", timeAgo(enrollmentVerifiedAt)),
    row("Last seen", timeAgo(health.lastSeen)),
    Object.entries(metadata).map(([name, value]) =>
      row(name, typeof value === "object" ? h("code", JSON.stringify(value)) : String(value)),
    ),
  );
}

// How fast it answers now, and over the last day or week.
function latency(machine, checks, curve, change) {
  const now =
    machine.health.latency === null ? "no answer yet" : `${count(machine.health.latency)} ms`;
  const span = (id, label) =>
    h(
      "button",
      {
        type: "button",
        data: { span: id },
        "aria-pressed": String(curve.span === id),
        onclick: () => change(id),
      },
      label,
    );
  return [
    h(
      "header",
      h("h2", "Latency"),
      h(
        "div.segments.small",
        { role: "group", "aria-label": "Time" },
        span("day", "Day"),
        span("week", "Week"),
      ),
    ),
    h("div.row", h("span.big.number", now), h("span.soft", statusWord(machine.status))),
    checks.length > 1
      ? curve.element
      : h("p.soft", "Two checks make a line; it is checked every few minutes."),
  ];
}

// Operations, terminals, and the moments when the machine went or came back, newest first.
function timeline(machine, checks, operations, acts) {
  const entries = [
    ...operations.map((one) => ({
      at: one.started ?? Date.now(),
      mark: one.status,
      what: operationWords(one),
    })),
    ...acts.map((one) => ({
      at: one.time,
      mark: one.status,
      what: ["Terminal, ", h("span.soft", one.actor)],
    })),
    ...changes(checks),
  ];
  if (machine.enrollmentVerifiedAt !== null) {
    entries.push({
      at: machine.enrollmentVerifiedAt,
      mark: machine.enrolled ? "success" : "partial",
      what: machine.enrolled ? "Client id verified" : "Client id not as in the inventory",
    });
  }
  entries.sort((a, b) => b.at - a.at);
  if (entries.length === 0)
    return emptyBox({ title: "Nothing was done on this machine yet", symbol: "clock" });
  return h(
    "ol.lines.timeline",
    entries.map((one) =>
      h(
        "li",
        statusMark(one.mark),
        h("div.grow", one.what),
        h("span.soft.small.at", timeAt(one.at)),
      ),
    ),
  );
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
