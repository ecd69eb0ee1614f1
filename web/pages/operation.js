// One operation, live: machines by state, progress and time, the output of each, equal outputs
// together, stopping and running again.

import { get, post } from "../core/api.js";
import { h, onFrame, replace } from "../core/dom.js";
import { count, duration, plural } from "../core/format.js";
import { bindKeys } from "../core/keys.js";
import { everySecond } from "../core/live.js";
import { scriptNames } from "../core/operations.js";
import { readQuery, writeQuery } from "../core/query.js";
import { navigate, replaceQuery } from "../core/router.js";
import { may } from "../core/session.js";
import { saveFile } from "../core/saving.js";
import { followEvents } from "../core/sse.js";
import { stateOf, STATES, Watch } from "../core/watch.js";
import { confirmAct } from "../parts/dialog.js";
import { emptyBox } from "../parts/failure.js";
import { groupView } from "../parts/groups.js";
import { pageHead, timeAt } from "../parts/head.js";
import { icon } from "../parts/icons.js";
import { logPane } from "../parts/logpane.js";
import { menuButton } from "../parts/menu.js";
import { done, failed } from "../parts/notes.js";
import { outcomeBar, outcomeWords } from "../parts/progress.js";
import { badge, statusMark, statusWord } from "../parts/status.js";
import { loadStyle } from "../parts/style.js";
import { tileGrid } from "../parts/tiles.js";

const css = "asset:style/operation.css";
const defaults = { machine: "", script: "", state: "", view: "machines" };

export default async function operation({ params, visit, signal, title }) {
  const address = `/api/operations/${encodeURIComponent(params.id)}`;
  const view = () => get(address, { output: "false" }, signal);
  const [first, scripts] = await Promise.all([
    view(),
    get("/api/scripts", {}, signal),
    loadStyle(css),
  ]);
  const catalogue = new Map(scripts.map((one) => [one.id, one]));
  const estimates = new Map(scripts.map((one) => [one.id, one.estimatedDuration]));
  const watch = new Watch(first);
  let at = readQuery(defaults, location.search);
  let isStopping = false;
  let isLost = false;
  title(params.id);

  const head = pageHead({
    title: params.id,
    crumb: { href: "/operations", label: "Operations" },
    under: h("div.row.under"),
  });
  const progress = h("div.stack.tight.progress");
  const filter = h("div.segments.states", { role: "group", "aria-label": "Machines by state" });
  const views = h(
    "div.segments",
    { role: "group", "aria-label": "View" },
    viewButton("machines", "Machines", "list"),
    viewButton("groups", "Equal outputs", "copy"),
  );
  const grid = tileGrid({
    label: "Machines of this operation",
    choose: (id) => change({ machine: id }),
  });
  const pane = logPane({ pick: (script) => change({ script }), signal });
  const body = h("div.watch");
  let groups = null;

  function viewButton(name, label, drawing) {
    return h(
      "button",
      { type: "button", data: { view: name }, onclick: () => change({ view: name }) },
      icon(drawing),
      label,
    );
  }

  function change(some) {
    at = { ...at, ...some };
    replaceQuery(writeQuery(defaults, at));
    show();
  }
  visit.onQuery = (text) => ((at = readQuery(defaults, text)), show());

  // The machine that is looked at: the one of the address, or the first in need of a look.
  function chosen() {
    const found = watch.targets.find((one) => one.id === at.machine);
    if (found) return found;
    const ranked = [...watch.targets].sort(
      (a, b) => STATES.indexOf(stateOf(a)) - STATES.indexOf(stateOf(b)),
    );
    at.machine = ranked[0].id;
    return ranked[0];
  }

  // The script that is looked at: the one of the address, the one that failed, or the newest.
  function chosenRun(target) {
    const begun = target.runs.filter((one) => one.started !== null);
    return (
      target.runs.find((one) => one.script === at.script) ??
      target.runs.find((one) => one.status === "failed") ??
      begun.at(-1) ??
      target.runs[0]
    );
  }

  let seen = "";

  function show() {
    showHead();
    showProgress();
    for (const button of views.children)
      button.setAttribute("aria-pressed", String(button.dataset.view === at.view));
    if (at.view === "groups") return showGroups();
    if (body.firstChild !== grid.element) body.replaceChildren(grid.element, pane.element);
    const shown = watch.targets.filter((one) => at.state === "" || stateOf(one) === at.state);
    const target = chosen();
    grid.show(shown, target.id, estimates);
    const run = chosenRun(target);
    const now = `${target.id} ${run.script} ${target.runs.map((one) => one.status)}`;
    if (now !== seen) pane.show(target, run, catalogue);
    else pane.tick();
    seen = now;
  }

  function showGroups() {
    groups ??= groupView({
      id: params.id,
      catalogue,
      isOver: () => watch.isOver,
      signal,
      choose: (machine, script) => change({ view: "machines", machine, script, state: "" }),
    });
    if (body.firstChild !== groups) body.replaceChildren(groups);
  }

  function showHead() {
    const { operation: one } = watch;
    const state = isStopping && !watch.isOver ? badge("running", "Stopping…") : badge(one.status);
    replace(
      head.querySelector(".under"),
      state,
      isLost && !watch.isOver && h("span.status.warn", "Connection lost; reconnecting"),
      h("strong", scriptNames(one, catalogue)),
      h("span.soft", `by ${one.triggered_by}`),
      one.started !== null && h("span.soft", timeAt(one.started)),
      h(
        "code.soft",
        { title: "The commit that the scripts are from" },
        one.commit_hash.slice(0, 10),
      ),
      one.retry_of &&
        h(
          "span.soft",
          "again after ",
          h("a", { href: `/operations/${one.retry_of}` }, one.retry_of),
        ),
      flagWords(one),
    );
    head.act(...actions());
  }

  let acted = "";
  let buttons = [];

  function actions() {
    const { isOver } = watch;
    const unfinished = watch.result.failed + watch.result.stopped + watch.result.skipped;
    const now = `${isOver} ${unfinished > 0} ${isStopping} ${watch.firstFailure() !== null}`;
    if (now === acted) return buttons;
    acted = now;
    buttons = [
      watch.firstFailure() &&
        h("button", { type: "button", onclick: jump }, icon("jump"), "First failure"),
      may("operator") &&
        !isOver &&
        h(
          "button.danger",
          { type: "button", disabled: isStopping, onclick: stop },
          icon("stop"),
          "Stop…",
        ),
      may("operator") &&
        isOver &&
        unfinished > 0 &&
        h(
          "button.primary",
          { type: "button", onclick: () => retry("all_unfinished") },
          icon("retry"),
          "Retry unfinished…",
        ),
      menuButton([icon("more")], { items: menu, label: "More", kind: ".square" }),
    ];
    return buttons;
  }

  function menu() {
    const again = may("operator") && [
      { label: "Run again…", icon: "play", href: `/operations/new?again=${params.id}` },
      watch.isOver &&
        watch.result.failed > 0 && {
          label: "Retry failed…",
          icon: "retry",
          run: () => retry("failed"),
        },
      watch.isOver &&
        watch.result.skipped > 0 && {
          label: "Retry not started…",
          icon: "retry",
          run: () => retry("not_started"),
        },
    ];
    return [
      ...(again || []),
      { label: "Download all output", icon: "download", run: saveAll },
    ].filter(Boolean);
  }

  function showProgress() {
    const all = [...watch.runs()].length;
    const { operation: one, result } = watch;
    const time = one.duration ?? (one.started === null ? null : Date.now() - one.started);
    replace(
      progress,
      outcomeBar(result, all, `Progress of ${params.id}`),
      h(
        "div.row.wide",
        h("span", outcomeWords(result, all)),
        time !== null && h("span.number.soft", duration(time)),
        one.status === "queued" && h("span.soft", "It waits until others have ended."),
        waveWords(watch),
      ),
    );
    const tally = watch.tally();
    const states = STATES.filter((state) => tally[state]);
    const button = (state, label, number) =>
      h(
        "button",
        {
          type: "button",
          data: { state: state || "all" },
          "aria-pressed": String(at.state === state),
          onclick: () => change({ state }),
        },
        state && statusMark(state),
        label,
        " ",
        h("span.number", count(number)),
      );
    replace(
      filter,
      button("", "All", watch.targets.length),
      states.map((state) => button(state, statusWord(state), tally[state])),
    );
  }

  function jump() {
    const run = watch.firstFailure();
    change({ view: "machines", machine: run.target, script: run.script, state: "" });
  }

  async function stop() {
    const open = watch.targets
      .filter((one) => ["running", "queued"].includes(stateOf(one)))
      .map((one) => one.id);
    const text =
      "What runs on these machines is ended, with everything that it has started; what waits will not run.";
    if (!(await confirmAct({ title: `Stop ${params.id}?`, text, named: open, act: "Stop" })))
      return;
    try {
      isStopping = true;
      show();
      await post(`${address}/stop`, {}, signal);
    } catch (error) {
      isStopping = false;
      failed(error);
    }
  }

  async function retry(which) {
    const fits = {
      failed: (run) => run.status === "failed",
      not_started: (run) => run.started === null,
      all_unfinished: (run) => run.status !== "success",
    };
    const isAll = which === "not_started";
    const named = watch.targets
      .filter(({ runs }) => (isAll ? runs.every(fits[which]) : runs.some(fits[which])))
      .map((one) => one.id);
    const text = `${scriptNames(watch.operation, catalogue)}: with the same flags, and the text of today's commit.`;
    if (
      !(await confirmAct({
        title: `Run again on ${plural(named.length, "machine")}?`,
        text,
        named,
        act: "Run again",
        danger: false,
      }))
    )
      return;
    try {
      const answer = await post(`${address}/retry`, { targets: which }, signal);
      done(`${answer.operation_id} was started.`);
      navigate(`/operations/${answer.operation_id}`);
    } catch (error) {
      failed(error);
    }
  }

  async function saveAll() {
    const parts = [];
    for (const run of watch.runs()) {
      const code = run.exit_code === null ? "" : `, exit code ${run.exit_code}`;
      parts.push(
        `== ${run.target} ${run.script}: ${run.status}${code}\n`,
        await run.output.file(),
        "\n",
      );
    }
    saveFile(new Blob(parts, { type: "text/plain" }), `${params.id}.log`);
  }

  const redraw = onFrame(() => !signal.aborted && show());
  everySecond(signal, () => !watch.isOver && redraw());
  document.addEventListener("visibilitychange", redraw, { signal });
  bindKeys(
    [{ keys: "e", label: "First failure", run: () => watch.firstFailure() && jump() }],
    signal,
  );

  async function follow() {
    try {
      await followEvents(`${address}/events`, {
        signal,
        state: (state) => ((isLost = state === "lost"), redraw()),
        take(event) {
          const goesOn = watch.take(event);
          if (watch.operation.status === "queued" && event.event === "start")
            Object.assign(watch.operation, { status: "running", started: Date.now() });
          redraw();
          return goesOn;
        },
      });
      if (watch.end) watch.renew(await view());
      redraw();
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
  }

  follow();
  requestAnimationFrame(redraw);
  if (watch.targets.length === 0)
    return h("div.page", head, emptyBox({ title: "It has no machines" }));
  return h(
    "div.page.operation",
    head,
    progress,
    h("div.row.wide", filter, h("span.grow"), views),
    body,
  );
}

function flagWords({ flags }) {
  const words = Object.values(flags).flat();
  return words.length > 0 && h("code.soft.flags", { title: words.join(" ") }, words.join(" "));
}

function waveWords({ operation: { waves }, targets }) {
  if (!waves || waves.length < 2) return null;
  const byId = new Map(targets.map((one) => [one.id, one]));
  const at = waves.findIndex((ids) =>
    ids.some((id) => ["queued", "running"].includes(stateOf(byId.get(id)))),
  );
  return h(
    "span.soft",
    at < 0
      ? plural(waves.length, "wave")
      : `wave ${at + 1} of ${waves.length}, ${plural(waves[at].length, "machine")}`,
  );
}
