// The repository: where the inventory comes from, at which commit it is, what went wrong with which
// line of which file, and the syncs of before.

import { get, post } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { ago, plural } from "../core/format.js";
import { keepFresh } from "../core/live.js";
import { may } from "../core/session.js";
import { emptyBox, failureBox } from "../parts/failure.js";
import { pageHead, timeAgo, timeAt } from "../parts/head.js";
import { icon, mark } from "../parts/icons.js";
import { done } from "../parts/notes.js";
import { badge, statusMark } from "../parts/status.js";

export default async function git({ signal }) {
  const button =
    may("operator") &&
    h("button.primary", { type: "button", onclick: sync }, icon("refresh"), "Sync now");
  const told = h("div", { role: "status" });
  const state = h("section.card", { "aria-label": "State" });
  const history = h("section.card.flush", { "aria-label": "Syncs" });
  let refused = null;

  async function sync() {
    button.disabled = true;
    replace(state.querySelector(".badge") ?? h("span"), badge("syncing"));
    try {
      const result = await post("/api/git/sync", {}, signal);
      refused = null;
      done(
        `Synced to ${result.commit_hash.slice(0, 10)}: ${plural(result.links, "machine")}, ${plural(result.scripts, "script")}.`,
        { href: "/links", label: "To the machines" },
      );
    } catch (error) {
      if (!signal.aborted) refused = error;
    } finally {
      button.disabled = false;
    }
    await fresh();
  }

  const fresh = keepFresh({
    every: 5000,
    signal,
    async task() {
      const [status, rows] = await Promise.all([get("/api/git/status", {}, signal), syncs(signal)]);
      if (status.status === "synced") refused = null;
      replace(told, refused ? failureBox(refused) : status.error && lastFailure(status));
      replace(state, facts(status));
      replace(history, rows && [h("header", h("h2", "Syncs")), lines(rows)]);
      history.hidden = rows === null;
    },
    failed: (error) =>
      state.childElementCount === 0 &&
      replace(
        state,
        failureBox(error, () => fresh()),
      ),
  });
  await fresh.first;
  return h("div.page.narrow", pageHead({ title: "Git", actions: [button] }), told, state, history);
}

function facts(status) {
  if (!status.repository_url) {
    return emptyBox({
      title: "No repository is configured",
      symbol: "git",
      text: "Name it in the configuration of linkopsd and restart it.",
      steps: "[git]\nrepository_url = ssh://git@git.example.com/infrastructure.git\nbranch = main",
    });
  }
  const row = (name, ...value) => [h("dt", name), h("dd", value)];
  const at = status.last_sync && Date.parse(status.last_sync);
  const next = status.next_sync && Date.parse(status.next_sync);
  return [
    h("div.row", badge(status.status), at && h("span.soft", "last good sync ", timeAgo(at))),
    h(
      "dl.pairs",
      row("Repository", h("code", status.repository_url)),
      row("Branch", h("code", status.branch)),
      row(
        "Commit",
        status.commit_hash ? h("code", status.commit_hash) : h("span.soft", "none yet"),
      ),
      row("Next sync", next ? timeAgo(next, ago(next)) : h("span.soft", "when it is asked for")),
    ),
  ];
}

// The failure of a sync that somebody else, or the clock, has started.
function lastFailure({ error }) {
  const text = h("pre.reason", error);
  return h(
    "div.box.failure",
    { role: "alert" },
    h("span.status.fail", mark("fail")),
    h("div.grow", h("strong", "The last sync failed; the inventory stays as it was"), text),
  );
}

async function syncs(signal) {
  try {
    const body = { table: "tbl_git_sync_history", page: { size: 20 } };
    return (await post("/api/tables/query", body, signal)).rows;
  } catch (error) {
    if (error.isMissingCall) return null;
    throw error;
  }
}

function lines(rows) {
  if (rows.length === 0) return h("p.soft", "There was none yet.");
  return h(
    "ul.lines",
    rows.map((one) =>
      h(
        "li",
        statusMark(one.status),
        h(
          "span.grow",
          one.commitHash && h("code", one.commitHash.slice(0, 10)),
          one.error
            ? h("span.soft", ` ${one.error.split("\n")[0]}`)
            : h(
                "span.soft",
                ` ${plural(one.links ?? 0, "machine")}, ${plural(one.scripts ?? 0, "script")}`,
              ),
        ),
        h("span.soft.small", timeAt(one.started)),
      ),
    ),
  );
}
