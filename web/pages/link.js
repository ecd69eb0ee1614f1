// One machine: how it stands, what the inventory says of it, how fast it answered, and all that
// was done on it, on one line of time.

import { ApiError, get, post } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { count } from "../core/format.js";
import { keepFresh } from "../core/live.js";
import { may } from "../core/session.js";
import { failureBox } from "../parts/failure.js";
import { pageHead, timeAgo } from "../parts/head.js";
import { icon } from "../parts/icons.js";
import { done, failed } from "../parts/notes.js";
import { badge, enrolled, statusWord, tags, typeTag } from "../parts/status.js";
import { loadStyle } from "../parts/style.js";
import { machineStory, timeline } from "../parts/timeline.js";

const css = "asset:style/link.css";
const DAY = 24 * 3600 * 1000;

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
  const lists = machineStory(machine.id, signal);
  title(machine.name);

  const fresh = keepFresh({
    every: 10_000,
    signal,
    async task() {
      machine = await get(address, {}, signal);
      show(await lists.load());
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

  function show(all) {
    const from = Date.now() - (curve.span === "day" ? DAY : 7 * DAY);
    const checks = all.checks.filter((one) => one.at > from);
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
    const more = () => (lists.more(), fresh());
    replace(story, h("header", h("h2", "Timeline")), timeline(machine, all, more));
  }

  await fresh.first;
  return h("div.page", head, told, h("div.cards.two", h("div.stack", answer, facts), story));
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
