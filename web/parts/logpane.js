// The output of one machine of an operation: its scripts to choose from, how each ended, the log
// with its tools, and the file to take away.

import { h, replace } from "../core/dom.js";
import { bindKeys } from "../core/keys.js";
import { bytes, duration } from "../core/format.js";
import { saveFile } from "../core/saving.js";
import { icon } from "./icons.js";
import { logView } from "./logview.js";
import { failed } from "./notes.js";
import { statusMark, status } from "./status.js";

// `pick(script)` hears which script was chosen. Gives `{element, show(target, run, catalogue), tick()}`.
export function logPane({ pick, signal }) {
  let run = null;
  let estimate = null;
  const title = h("div.row.grow");
  const tabs = h("div.segments.scripttabs", {
    role: "group",
    "aria-label": "Scripts on this machine",
  });
  const facts = h("div.row.small.soft.facts-line");
  const log = logView({ label: "Output", changed: showTools });
  const quiet = h("p.soft.quiet");

  const toggle = (name, label, drawing, press) =>
    h(
      "button.plain.square",
      {
        type: "button",
        "aria-pressed": "false",
        "aria-label": label,
        title: label,
        data: { tool: name },
        onclick: (event) => press(event.currentTarget.getAttribute("aria-pressed") !== "true"),
      },
      icon(drawing),
    );
  const follow = toggle("follow", "Follow what is new", "follow", (on) => log.follow(on));
  const wrap = toggle("wrap", "Wrap long lines", "wrap", setWrap);
  const search = h("input", {
    type: "search",
    placeholder: "Search this output",
    "aria-label": "Search this output",
    oninput: () => log.find(search.value),
    onkeydown: stepByKey,
  });
  const found = h("span.small.soft.number", { role: "status" });
  const step = (by, label, drawing) =>
    h(
      "button.plain.square",
      { type: "button", "aria-label": label, title: label, onclick: () => log.step(by) },
      icon(drawing),
    );
  const steps = h(
    "span.row",
    { hidden: true },
    step(-1, "Match before", "up"),
    step(1, "Next match", "down"),
  );
  const download = h(
    "button.plain.square",
    {
      type: "button",
      "aria-label": "Download this output",
      title: "Download this output",
      onclick: save,
    },
    icon("download"),
  );
  const tools = h(
    "div.tools",
    { role: "toolbar", "aria-label": "Output" },
    h("div.finder", search, found, steps),
    follow,
    wrap,
    download,
  );
  const element = h(
    "section.card.flush.logpane",
    { "aria-label": "Output of a machine" },
    h("header", title, tools),
    tabs,
    facts,
    h("div.logplace", log.element, quiet),
  );

  function setWrap(on) {
    wrap.setAttribute("aria-pressed", String(on));
    localStorage.setItem("linkops.wrap", on ? "yes" : "no");
    log.wrap(on);
  }
  if (localStorage.getItem("linkops.wrap") === "yes") setWrap(true);

  function stepByKey(event) {
    if (event.key === "Enter") log.step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape" && search.value) ((search.value = ""), log.find(""));
    else return;
    event.preventDefault();
  }

  function showTools({ follows, found: text }) {
    follow.setAttribute("aria-pressed", String(follows));
    found.textContent = text;
    steps.hidden = text === "" || text === "none";
  }

  async function save() {
    try {
      saveFile(await run.output.file(), `${run.target}-${run.script}.log`);
    } catch (error) {
      failed(error);
    }
  }

  function show(target, next, catalogue) {
    run = next;
    estimate = catalogue.get(next.script)?.estimatedDuration ?? null;
    replace(title, h("h2", h("a", { href: `/links/${encodeURIComponent(target.id)}` }, target.id)));
    tabs.hidden = target.runs.length < 2;
    const name = (id) => catalogue.get(id)?.name ?? id;
    replace(
      tabs,
      target.runs.map((one) =>
        h(
          "button",
          {
            type: "button",
            "aria-pressed": String(one === run),
            data: { state: one.status },
            onclick: () => pick(one.script),
          },
          statusMark(one.status),
          name(one.script),
        ),
      ),
    );
    log.show(run.output);
    tick();
  }

  // What changes by itself: status, time, size, and new lines.
  function tick() {
    if (run === null) return;
    const clock =
      run.duration ??
      (run.started !== null && run.status === "running" ? Date.now() - run.started : null);
    replace(
      facts,
      status(run.status),
      run.exit_code !== null && h("span", `exit code ${run.exit_code}`),
      clock !== null &&
        h(
          "span.number",
          duration(clock),
          run.status === "running" && estimate
            ? ` of about ${duration(estimate * 1000)}`.replace(".0 s", " s")
            : "",
        ),
      h("span.number", bytes(run.output.bytes)),
      run.truncated && h("span.status.warn", "cut at the limit; the script ran on"),
      run.error && h("span.reason-line", run.error),
    );
    quiet.textContent = run.output.count > 0 ? "" : silence(run.status);
    log.update();
  }

  bindKeys(
    [
      { keys: "/", label: "Search this output", run: () => search.focus() },
      { keys: "f", label: "Follow the output", run: () => follow.click() },
      { keys: "w", label: "Wrap long lines", run: () => wrap.click() },
    ],
    signal,
  );
  return { element, show, tick };
}

function silence(state) {
  return (
    {
      queued: "It waits for its turn.",
      running: "It has printed nothing yet.",
      skipped: "It did not run.",
    }[state] ?? "It printed nothing."
  );
}
