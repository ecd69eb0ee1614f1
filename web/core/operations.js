// What can be said of an operation as the list has it: how far it is, and how it is called.

import { duration } from "./format.js";

export const OPEN = ["queued", "running"];

export const isOpen = (operation) => OPEN.includes(operation.status);

// Executions in all.
export const total = (operation) => operation.scripts.length * operation.targets.length;

// How many have ended, of counts by outcome.
export function finished({ success, failed, stopped, skipped }) {
  return success + failed + stopped + skipped;
}

// The names of its scripts, as the catalogue has them now.
export function scriptNames(operation, catalogue) {
  return operation.scripts.map((id) => catalogue.get(id)?.name ?? id).join(", ");
}

// How long it took, or has taken until now.
export function took(operation, now = Date.now()) {
  if (operation.duration !== null) return duration(operation.duration);
  return operation.started === null ? "–" : duration(Math.max(0, now - operation.started));
}

// Which machines it was on: their names while they are few.
export function where(operation) {
  const { targets } = operation;
  return targets.length <= 3 ? targets.join(", ") : `${targets.length} machines`;
}
