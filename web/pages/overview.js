// The first page of the morning: what runs, what cannot be reached, what happened, and whether the
// inventory is that of the repository.

import { get, post } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { count, plural } from "../core/format.js";
import { everySecond, keepFresh } from "../core/live.js";
import { scriptNames, took, where } from "../core/operations.js";
import { may } from "../core/session.js";
import { emptyBox, failureBox } from "../parts/failure.js";
import { pageHead, timeAgo } from "../parts/head.js";
import { icon } from "../parts/icons.js";
import { operationBar, operationTally } from "../parts/progress.js";
import { sparkline } from "../parts/spark.js";
import { badge, status, statusMark, TYPES } from "../parts/status.js";
import { loadStyle } from "../parts/style.js";

const css = "asset:style/overview.css";

export default async function overview({ signal }) {
  await loadStyle(css);
  const fleet = h("section.fleet", { "aria-label": "Machines by type" });
  const running = card("Running now", { href: "/operations", label: "All operations" });
  const health = card("Health of links", {
    href: "/links?sort=latency&dir=desc",
    label: "All links",
  });
  const activity = card("Recent activity", { href: "/operations", label: "History" });
  const git = card("Repository", { href: "/git", label: "Details" });
  let catalogue = new Map();
  let open = [];

  const run =
    may("operator") &&
    h("a.button.primary", { href: "/operations/new" }, icon("play"), "Run scripts");
  const fresh = keepFresh({
    every: 5000,
    signal,
    async task() {
      const [links, operations, sync, points, recent] = await Promise.all([
        get("/api/links", {}, signal),
        get("/api/operations", { status: "queued,running", limit: 20 }, signal),
        get("/api/git/status", {}, signal),
        get("/api/health/links", { points: 24 }, signal).catch(() => ({})),
        recentActivity(signal),
      ]);
      open = operations.operations;
      if (open.length > 0 && catalogue.size === 0) catalogue = await scripts(signal);
      replace(fleet, types(links));
      health.fill(healthLines(links, points, sync));
      git.fill(syncState(sync));
      activity.fill(activityLines(recent));
      showRunning();
    },
    failed: (error) =>
      fleet.childElementCount === 0 &&
      replace(
        fleet,
        failureBox(error, () => fresh()),
      ),
  });
  const showRunning = () => running.fill(runningLines(open, catalogue));
  everySecond(signal, () => open.length > 0 && showRunning());
  await fresh.first;
  return h(
    "div.page",
    pageHead({ title: "Overview", actions: [run] }),
    fleet,
    h("div.cards.two", h("div.stack", running, health), h("div.stack", git, activity)),
  );
}

function card(title, link) {
  const body = h("div.body");
  const element = h(
    "section.card.flush",
    { "aria-label": title },
    h("header", h("h2", title), h("a", { href: link.href }, link.label)),
    body,
  );
  return Object.assign(element, { fill: (...content) => replace(body, content) });
}

async function scripts(signal) {
  const list = await get("/api/scripts", {}, signal);
  return new Map(list.map((one) => [one.id, one]));
}

function types(links) {
  return TYPES.map((type) => {
    const mine = links.filter((one) => one.type === type);
    const online = mine.filter((one) => one.status === "online").length;
    const offline = mine.filter((one) => one.status === "offline").length;
    const strangers = mine.filter((one) => !one.enrolled).length;
    const lead = (more) => `/links?type=${type}${more}`;
    return h(
      "div.card.figure",
      h(
        "a.title",
        { href: lead("") },
        h("span.big.number", count(mine.length)),
        h("span", type === "VM" ? "VMs" : type),
      ),
      h(
        "div.row.small",
        mine.length === 0
          ? h("span.soft", "none in the inventory")
          : [
              h("a", { href: lead("&status=online") }, status("online", `${online} online`)),
              offline > 0 &&
                h("a", { href: lead("&status=offline") }, status("offline", `${offline} offline`)),
              strangers > 0 &&
                h(
                  "a",
                  { href: lead("&enrolled=false") },
                  h("span.status.warn", icon("noshield"), `${strangers} not enrolled`),
                ),
            ],
      ),
    );
  });
}

function runningLines(operations, catalogue) {
  if (operations.length === 0) return h("p.soft.pad", "Nothing is running.");
  return h(
    "ul.lines",
    operations.map((one) =>
      h(
        "li.runs",
        statusMark(one.status),
        h(
          "div.grow",
          h("a", { href: `/operations/${one.id}` }, scriptNames(one, catalogue)),
          h("span.soft", ` on ${where(one)}`),
          operationBar(one),
        ),
        h("span.soft.small.number", operationTally(one), h("br"), took(one)),
      ),
    ),
  );
}

// Those in need first: not reachable, then the slowest.
function healthLines(links, points, sync) {
  if (links.length === 0) return noMachines(sync);
  const gone = links.filter((one) => one.status === "offline");
  const slow = links
    .filter((one) => one.health.latency !== null && one.status === "online")
    .sort((a, b) => b.health.latency - a.health.latency);
  const shown = [...gone, ...slow].slice(0, 8);
  if (shown.length === 0) return h("p.soft.pad", "No machine was checked yet.");
  const most = Math.max(50, ...slow.map((one) => one.health.latency));
  return [
    h(
      "ul.lines.health",
      shown.map((one) => healthLine(one, points[one.id] ?? [], most)),
    ),
    links.length > shown.length &&
      h(
        "p.soft.small.pad",
        `${gone.length === 0 ? "The slowest" : "Unreachable and slowest"} ${shown.length} of ${plural(links.length, "machine")}.`,
      ),
  ];
}

function healthLine(one, points, most) {
  const { latency, lastSeen } = one.health;
  const isGone = one.status === "offline";
  return h(
    "li",
    statusMark(one.status),
    h("a.grow", { href: `/links/${encodeURIComponent(one.id)}` }, one.name),
    points.length > 1 && sparkline(points, one.id),
    isGone
      ? h("span.soft.small", lastSeen === null ? "never seen" : ["seen ", timeAgo(lastSeen)])
      : [
          h(
            "span.bar.latency",
            { "aria-hidden": "true" },
            h("span", { style: { "--to": `${Math.max(2, (100 * latency) / most)}%` } }),
          ),
          h("span.number.ms", `${count(latency)} ms`),
        ],
  );
}

function noMachines(sync) {
  const isSynced = sync.status === "synced";
  return emptyBox({
    title: "No machines yet",
    symbol: "links",
    text: isSynced
      ? "links.yaml in the repository is empty. Add machines, commit, push and sync."
      : "Machines come from links.yaml in the Git repository.",
    action: h("a.button", { href: "/git" }, isSynced ? "To the repository" : "Sync now"),
  });
}

function syncState(sync) {
  const at = sync.last_sync && Date.parse(sync.last_sync);
  return h(
    "div.stack.tight.pad",
    h(
      "div.row",
      badge(sync.status),
      sync.commit_hash && h("code", sync.commit_hash.slice(0, 10)),
      at && h("span.soft", timeAgo(at)),
    ),
    sync.error && h("p.status-text.fail", sync.error.split("\n")[0]),
    h(
      "div.soft.small",
      sync.repository_url ? h("span.mono", sync.repository_url) : "No repository is configured.",
      sync.branch && ` · ${sync.branch}`,
    ),
  );
}

// The table of activity; operations alone where the server does not have it.
async function recentActivity(signal) {
  try {
    const body = { table: "tbl_recent_activity", page: { size: 10 } };
    return (await post("/api/tables/query", body, signal)).rows;
  } catch (error) {
    if (!error.isMissingCall) throw error;
    const { operations } = await get("/api/operations", { limit: 10 }, signal);
    return operations.map((one) => ({
      time: one.started,
      kind: "operation",
      actor: one.triggered_by,
      subject: one.id,
      status: one.status,
    }));
  }
}

const KINDS = { operation: "play", terminal: "terminal", sync: "git", login: "user" };

function activityLines(rows) {
  if (rows.length === 0) return h("p.soft.pad", "Nothing has happened yet.");
  return h(
    "ul.lines",
    rows.map((one) =>
      h(
        "li",
        icon(KINDS[one.kind]),
        h("span.grow", activityWords(one)),
        statusMark(one.status),
        h("span.soft.small.when", timeAgo(one.time)),
      ),
    ),
  );
}

function activityWords({ kind, actor, subject }) {
  const link = (href, text) => h("a", { href }, text);
  switch (kind) {
    case "operation":
      return [link(`/operations/${subject}`, subject), h("span.soft", ` by ${actor}`)];
    case "terminal":
      return [
        "Terminal on ",
        link(`/links/${encodeURIComponent(subject)}`, subject),
        h("span.soft", ` by ${actor}`),
      ];
    case "sync":
      return [link("/git", "Sync"), subject && [" to ", h("code", subject.slice(0, 10))]];
    default:
      return [actor, " signed in"];
  }
}
