// How far something is: a bar of parts by outcome, and what stands in it as words.

import { h } from "../core/dom.js";
import { count, plural } from "../core/format.js";
import { finished, total } from "../core/operations.js";

const OUTCOMES = [
  ["success", "ok", "succeeded"],
  ["failed", "fail", "failed"],
  ["stopped", "stop", "stopped"],
  ["skipped", "skip", "skipped"],
];

// `result` counts executions by outcome; what is missing up to `all` is still to come.
export function outcomeBar(result, all, label = "Progress") {
  const done = finished(result);
  const parts = OUTCOMES.filter(([name]) => result[name] > 0).map(([name, kind]) =>
    h(`span.${kind}`, { style: { "--to": `${(100 * result[name]) / Math.max(1, all)}%` } }),
  );
  const attributes = {
    role: "progressbar",
    "aria-label": label,
    "aria-valuemin": 0,
    "aria-valuemax": all,
    "aria-valuenow": done,
    "aria-valuetext": outcomeWords(result, all),
  };
  return h("div.parts", attributes, parts);
}

// "7 succeeded, 1 failed", and how many are to come.
export function outcomeWords(result, all) {
  const words = OUTCOMES.filter(([name]) => result[name] > 0).map(
    ([name, , word]) => `${count(result[name])} ${word}`,
  );
  const done = finished(result);
  if (done < all) words.push(`${count(all - done)} to come`);
  return words.join(", ");
}

export function operationBar(operation) {
  return outcomeBar(operation.result, total(operation), `Progress of ${operation.id}`);
}

export function operationTally(operation) {
  return `${count(finished(operation.result))} of ${plural(total(operation), "run")}`;
}
