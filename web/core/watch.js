// An operation that is watched: what is known of each execution, from the view of the operation
// and from its events, and what follows for each machine.

import { Output } from "./output.js";

const ENDED = ["success", "failed", "stopped", "skipped"];

export class Watch {
  #runs = new Map();
  // Events until now, for whoever wants to know whether anything has changed.
  changes = 0;
  end = null;

  // `view` is the operation as the API gives it, with logs, without output.
  constructor(view) {
    this.operation = view;
    this.targets = view.targets.map((id) => ({ id, runs: [] }));
    const byId = new Map(this.targets.map((one) => [one.id, one]));
    for (const log of view.logs) {
      const run = { ...log, output: new Output(), at: this.#runs.size };
      this.#runs.set(key(log.target, log.script), run);
      byId.get(log.target)?.runs.push(run);
    }
  }

  run(target, script) {
    return this.#runs.get(key(target, script));
  }

  runs() {
    return this.#runs.values();
  }

  // The view again: times and statuses that the events do not tell.
  renew(view) {
    const { logs, ...operation } = view;
    Object.assign(this.operation, operation);
    for (const log of logs) {
      const run = this.run(log.target, log.script);
      if (run) Object.assign(run, log);
    }
    this.changes += 1;
  }

  // Takes an event of the stream; false when it was the last one.
  take({ event, data }) {
    const body = JSON.parse(data);
    this.changes += 1;
    if (event === "end") {
      this.end = body;
      return false;
    }
    const run = this.run(body.target, body.script);
    if (!run) return true;
    if (event === "output") run.output.append(body.stream, body.data);
    else if (event === "start") this.#start(run);
    else if (event === "complete") this.#complete(run, body);
    return true;
  }

  #start(run) {
    run.started ??= Date.now();
    if (!ENDED.includes(run.status)) run.status = "running";
  }

  #complete(run, { status, exit_code, duration, error }) {
    Object.assign(run, { status, exit_code, duration, error });
    run.ended ??= run.started === null ? Date.now() : run.started + (duration ?? 0);
    run.output.end();
  }

  // Executions by how they ended.
  get result() {
    const counts = { success: 0, failed: 0, stopped: 0, skipped: 0 };
    for (const { status } of this.#runs.values()) if (status in counts) counts[status] += 1;
    return counts;
  }

  // Machines by how they stand.
  tally() {
    const counts = {};
    for (const one of this.targets) counts[stateOf(one)] = (counts[stateOf(one)] ?? 0) + 1;
    return counts;
  }

  // The execution that failed first.
  firstFailure() {
    let found = null;
    for (const run of this.#runs.values()) {
      if (run.status === "failed" && (found === null || (run.ended ?? 0) < (found.ended ?? 0)))
        found = run;
    }
    return found;
  }

  get isOver() {
    return this.end !== null || !["queued", "running"].includes(this.operation.status);
  }
}

function key(target, script) {
  return `${target}\n${script}`;
}

// The order in which states are told: what needs a look comes first.
export const STATES = ["failed", "running", "stopped", "queued", "skipped", "success"];

// How a machine stands: what its scripts together say.
export function stateOf({ runs }) {
  const has = (status) => runs.some((one) => one.status === status);
  if (has("failed")) return has("running") ? "running" : "failed";
  if (has("running")) return "running";
  if (has("stopped")) return "stopped";
  if (runs.every((one) => one.status === "queued")) return "queued";
  if (has("queued")) return "running";
  return has("success") ? (has("skipped") ? "skipped" : "success") : "skipped";
}

// How far a machine is, from 0 to 1, by the estimates of its scripts (seconds, by script) where
// they have one; null when nothing can be said.
export function progressOf({ runs }, estimates, now = Date.now()) {
  let all = 0;
  let done = 0;
  for (const run of runs) {
    const estimate = estimates.get(run.script) ?? null;
    const weight = estimate ?? 1;
    all += weight;
    if (ENDED.includes(run.status)) done += weight;
    else if (run.status === "running" && estimate !== null && run.started !== null) {
      done += weight * Math.min(0.95, (now - run.started) / (estimate * 1000));
    }
  }
  return all === 0 ? null : done / all;
}

// From the first start to the last end, or to now.
export function timeOf({ runs }, now = Date.now()) {
  const started = runs.map((one) => one.started).filter((one) => one !== null);
  if (started.length === 0) return null;
  const isOpen = runs.some((one) => one.status === "running");
  const ended = runs.map((one) => one.ended).filter((one) => one !== null);
  return (isOpen || ended.length === 0 ? now : Math.max(...ended)) - Math.min(...started);
}
