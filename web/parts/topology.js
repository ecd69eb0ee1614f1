// The map: who is reached through whom. Each jump host is a card with the machines behind it; what
// is reached directly stands together, by type.

import { h } from "../core/dom.js";
import { plural } from "../core/format.js";
import { byJump } from "../core/machines.js";
import { icon } from "./icons.js";
import { statusMark, TYPES, typeTag } from "./status.js";
import { loadStyle } from "./style.js";

const css = "asset:style/topology.css";

// `shown` are the machines that fit the filters; others stay on the map as paler hosts of those.
export function topology(shown, all) {
  loadStyle(css);
  const names = new Set(shown.map((one) => one.id));
  const roots = byJump(all)
    .map((root) => prune(root, names))
    .filter(Boolean);
  const hosts = roots.filter((root) => root.behind.length > 0);
  const alone = roots.filter((root) => root.behind.length === 0);
  const groups = TYPES.map((type) => [
    type,
    alone.filter((root) => root.machine?.type === type),
  ]).filter(([, list]) => list.length > 0);
  return h(
    "div.map",
    groups.map(([type, list]) =>
      h(
        "section.host",
        { "aria-label": `${type}, reached directly` },
        h("header", h("strong", type), h("span.soft", `${list.length} reached directly`)),
        h(
          "ul.tiles",
          list.map((root) => h("li", tile(root, names))),
        ),
      ),
    ),
    hosts.map((root) => host(root, names)),
  );
}

// The tree without branches that hold nothing that is shown.
function prune(node, names) {
  const behind = node.behind.map((one) => prune(one, names)).filter(Boolean);
  return names.has(node.id) || behind.length > 0 ? { ...node, behind } : null;
}

function host(node, names) {
  return h(
    "section.host",
    { "aria-label": `Behind ${node.id}` },
    h(
      "header",
      tile(node, names),
      h("span.soft.small", icon("jumpvia"), `${plural(node.behind.length, "machine")} behind`),
    ),
    h(
      "ul.tiles.behind",
      node.behind.map((one) =>
        h("li", one.behind.length > 0 ? host(one, names) : tile(one, names)),
      ),
    ),
  );
}

function tile({ id, machine }, names) {
  if (!machine) return h("span.tile.gone", id, h("span.soft.small", "not in the inventory"));
  const latency = machine.health.latency === null ? "–" : `${machine.health.latency} ms`;
  return h(
    "a.tile",
    {
      href: `/links/${encodeURIComponent(id)}`,
      class: names.has(id) ? "" : "pale",
      data: { status: machine.status },
    },
    statusMark(machine.status),
    h(
      "span.grow",
      h("span.name", id),
      machine.enrolled
        ? null
        : h("span.status.warn.small", icon("noshield"), h("span.unseen", "not enrolled")),
    ),
    machine.type === "Proxmox" ? typeTag("Proxmox") : null,
    h("span.soft.small.number", latency),
  );
}
