// The run form: scripts with their flags, machines by list, tag or type, and how; before the start
// everything that will happen is named.

import { get, post } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { duration, names, plural } from "../core/format.js";
import { navigate } from "../core/router.js";
import { howOf, requestOf, splitFlag } from "../core/runform.js";
import { confirmAct } from "../parts/dialog.js";
import { emptyBox, failureBox } from "../parts/failure.js";
import { field } from "../parts/field.js";
import { pageHead } from "../parts/head.js";
import { icon } from "../parts/icons.js";
import { done, failed } from "../parts/notes.js";
import { scriptPicker } from "../parts/scriptpick.js";
import { loadStyle } from "../parts/style.js";
import { targetPicker } from "../parts/targetpick.js";

const css = "asset:style/run.css";

export default async function run({ signal }) {
  const [, scripts, machines, before] = await Promise.all([
    loadStyle(css),
    get("/api/scripts", {}, signal),
    get("/api/links", {}, signal),
    wanted(signal),
  ]);
  const head = pageHead({
    title: "Run scripts",
    crumb: { href: "/operations", label: "Operations" },
  });
  if (scripts.length === 0 || machines.length === 0)
    return h("div.page.narrow", head, nothing(scripts));
  const catalogue = new Map(scripts.map((one) => [one.id, one]));
  const known = new Map(machines.map((one) => [one.id, one]));
  const chosen = before.scripts.filter((id) => catalogue.has(id));
  const flags = new Map(
    chosen.map((id) => [id, readFlags(catalogue.get(id), before.flags[id] ?? [])]),
  );
  const targets = new Set(before.targets.filter((id) => known.has(id)));

  const how = howFields(before.how);
  const said = h("div", { role: "alert" });
  const resolved = h("div.resolved", { "aria-live": "polite" });
  const start = h("button.primary", { type: "submit" }, icon("play"), h("span"));
  const pickScripts = scriptPicker({ catalogue, chosen, flags, changed: show });
  const pickTargets = targetPicker({ machines, chosen: targets, changed: show });

  function show() {
    const list = [...targets].sort();
    start.lastChild.textContent = list.length
      ? `Run on ${plural(list.length, "machine")}…`
      : "Run…";
    const strangers = list.filter((id) => !known.get(id).enrolled);
    replace(
      resolved,
      h("strong", summary(chosen, list)),
      list.length > 0 && h("span.soft", names(list, 40)),
      estimate(chosen, list.length, Number(how.concurrency.input.value)),
      strangers.length > 0 &&
        h(
          "span.status.warn",
          icon("noshield"),
          `Not enrolled, so the run will be refused: ${names(strangers)}`,
        ),
      strangers.length > 0 &&
        h("button.link", { type: "button", onclick: () => leaveOut(strangers) }, "Leave them out"),
    );
  }

  function leaveOut(ids) {
    for (const id of ids) targets.delete(id);
    replace(said);
    pickTargets.show();
    show();
  }

  function estimate(ids, machines_, width) {
    const each = ids.map((id) => catalogue.get(id).estimatedDuration);
    if (each.length === 0 || machines_ === 0 || each.some((one) => one === null)) return null;
    const one = each.reduce((a, b) => a + b, 0) * 1000;
    if (!(width > 0)) return h("span.soft", `About ${duration(one)} on each machine`);
    return h("span.soft", `About ${duration(Math.ceil(machines_ / width) * one)}`);
  }

  async function submit(event) {
    event.preventDefault();
    replace(said);
    for (const one of Object.values(how)) one.wrong?.("");
    try {
      const request = requestOf({
        ...how.values(),
        scripts: chosen,
        flags,
        targets: [...targets].sort(),
      });
      if (!(await agreed(request, catalogue))) return;
      start.disabled = true;
      const answer = await post("/api/operations/run", request, signal);
      navigate(`/operations/${answer.operation_id}`);
    } catch (error) {
      refuse(error);
    } finally {
      start.disabled = false;
    }
  }

  function refuse(error) {
    const mine = error.field && how[error.field];
    if (mine) return (mine.wrong(error.message), mine.input.focus());
    if (error.field) return replace(said, h("div.box.failure", h("strong", error.message)));
    const strangers =
      error.code === "ENROLLMENT_REQUIRED" ? error.details.targets.map((one) => one.target) : [];
    replace(said, failureBox(error), strangers.length > 0 && remedies(strangers));
  }

  function remedies(ids) {
    const verify = async () => {
      try {
        const results = Object.values(await post("/api/links/verify", { targets: ids }, signal));
        done(
          `${results.filter((one) => one.enrolled).length} of ${plural(results.length, "machine")} are enrolled now.`,
        );
        for (const one of await get("/api/links", {}, signal))
          Object.assign(known.get(one.id) ?? {}, one);
        pickTargets.show();
        show();
      } catch (error) {
        failed(error);
      }
    };
    return h(
      "div.row",
      h("button", { type: "button", onclick: verify }, icon("shield"), "Verify them again"),
      h("button", { type: "button", onclick: () => leaveOut(ids) }, "Leave them out"),
    );
  }

  how.concurrency.input.addEventListener("input", show);
  show();
  return h(
    "form.page",
    { novalidate: true, onsubmit: submit },
    head,
    h(
      "div.cards.two",
      h("section.card", { "aria-label": "Scripts" }, h("h2", "1. Scripts"), pickScripts.element),
      h("section.card", { "aria-label": "Machines" }, h("h2", "2. Machines"), pickTargets.element),
    ),
    h("section.card", { "aria-label": "How" }, h("h2", "3. How"), how.element),
    said,
    h("div.chosenbar", resolved, h("span.grow"), start),
  );
}

// What the address asks for: scripts and machines, or the same as an operation of before.
async function wanted(signal) {
  const query = new URLSearchParams(location.search);
  const list = (name) => (query.get(name) ?? "").split(",").filter(Boolean);
  const again = query.get("again");
  if (!again) return { scripts: list("scripts"), targets: list("targets"), flags: {}, how: {} };
  const address = `/api/operations/${encodeURIComponent(again)}`;
  const before = await get(address, { output: "false" }, signal);
  return { ...before, how: howOf(before) };
}

// Flags of a run of before, put back to where they were declared.
function readFlags(script, sent) {
  const found = new Map();
  for (const text of sent) {
    const declared =
      script.flags.find((one) => one === text) ??
      script.flags.find((one) => splitFlag(one).name === splitFlag(text).name);
    if (declared)
      found.set(declared, splitFlag(declared).value === null ? null : splitFlag(text).value);
  }
  return found;
}

// The fields of how it is run; `before` has what they hold at first, those of `howOf`.
function howFields(before) {
  const concurrency = field("At the same time", {
    type: "number",
    min: "1",
    step: "1",
    value: before.concurrency ?? "",
    placeholder: "as configured",
    hint: "Runs at a time, over all machines.",
  });
  const waves = field("Waves", {
    value: before.waves ?? "",
    placeholder: "all at once",
    spellcheck: "false",
    hint: "For example 1, 10%, rest: one machine first, then a tenth, then all others.",
  });
  const maxFailures = field("Stop after a wave when more have failed than", {
    value: before.maxFailures ?? "",
    placeholder: "0",
    spellcheck: "false",
    hint: "A number of machines, or a share like 10%.",
  });
  const goesOn = h("input", { type: "checkbox", checked: before.goesOn ?? false });
  const element = h(
    "div.how",
    concurrency,
    waves,
    maxFailures,
    h("label.choice", goesOn, "On a machine, go on with the next script after a failure"),
  );
  const values = () => ({
    // What is no number reads as an empty text.
    concurrency: concurrency.input.validity.badInput ? "?" : concurrency.input.value,
    goesOn: goesOn.checked,
    waves: waves.input.value,
    maxFailures: maxFailures.input.value,
  });
  return { element, concurrency, waves, maxFailures, values };
}

function summary(scripts, targets) {
  if (scripts.length === 0)
    return targets.length ? "Choose a script" : "Choose scripts and machines";
  return targets.length
    ? `${plural(scripts.length, "script")} on ${plural(targets.length, "machine")}`
    : "Choose machines";
}

async function agreed(request, catalogue) {
  const words = request.scripts.map((id) => {
    const list = request.flags?.[id] ?? [];
    return h(
      "li",
      h("strong", catalogue.get(id).name),
      list.length > 0 && h("code", ` ${list.join(" ")}`),
    );
  });
  const limit = request.max_failures ?? 0;
  const waves =
    request.waves &&
    h(
      "p.soft",
      `In waves of ${request.waves.join(", ")}; none begins when ${limit === 0 ? "a machine has" : `more than ${limit} have`} failed.`,
    );
  const goesOn =
    request.on_failure === "continue" &&
    h("p.soft", "On a machine, the next script runs after a failure too.");
  return confirmAct({
    title: `Run on ${plural(request.targets.length, "machine")}?`,
    text: [h("ol.steps-list", words), waves, goesOn],
    named: request.targets,
    act: "Run",
    danger: false,
  });
}

function nothing(scripts) {
  const word = scripts.length === 0 ? "scripts" : "machines";
  return emptyBox({
    title: `There are no ${word} yet`,
    text: "They come from the Git repository.",
    symbol: word === "scripts" ? "scripts" : "links",
    action: h("a.button.primary", { href: "/git" }, "To the repository"),
  });
}
