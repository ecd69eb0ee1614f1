// How things stand, in words with a mark of its own shape: of operations, executions and machines.

import { h } from "../core/dom.js";
import { icon, mark } from "./icons.js";

const KINDS = {
  success: ["ok", "Success"],
  failed: ["fail", "Failed"],
  partial: ["warn", "Partial"],
  stopped: ["stop", "Stopped"],
  skipped: ["skip", "Skipped"],
  queued: ["queued", "Queued"],
  running: ["run", "Running"],
  online: ["ok", "Online"],
  offline: ["fail", "Offline"],
  unknown: ["unknown", "Not checked"],
  synced: ["ok", "Synced"],
  syncing: ["run", "Syncing"],
  never: ["unknown", "Never synced"],
  up: ["ok", "Up"],
  down: ["fail", "Down"],
  off: ["idle", "Off"],
  ok: ["ok", "Done"],
  denied: ["fail", "Denied"],
  connected: ["ok", "Connected"],
  disconnected: ["idle", "Disconnected"],
};

export function statusKind(status) {
  return KINDS[status]?.[0] ?? "unknown";
}

export function statusWord(status) {
  return KINDS[status]?.[1] ?? status;
}

// Mark and word.
export function status(value, word = statusWord(value)) {
  return h(`span.status.${statusKind(value)}`, mark(statusKind(value)), word);
}

// The same on a coloured ground.
export function badge(value, word = statusWord(value)) {
  return h(`span.badge.${statusKind(value)}`, mark(statusKind(value)), word);
}

// The mark alone, with the word for those who do not see it.
export function statusMark(value) {
  const word = statusWord(value);
  return h(
    `span.status.${statusKind(value)}`,
    { title: word },
    mark(statusKind(value)),
    h("span.unseen", word),
  );
}

export function enrolled(machine) {
  return machine.enrolled
    ? h("span.status.ok", icon("shield"), "Enrolled")
    : h("span.status.warn", icon("noshield"), "Not enrolled");
}

export const TYPES = ["VPS", "Proxmox", "VM"];

export function typeTag(type) {
  return h(`span.type.${type.toLowerCase()}`, type);
}

export function tags(list) {
  return h(
    "span.tags",
    list.map((one) => h("span.tag", one)),
  );
}
