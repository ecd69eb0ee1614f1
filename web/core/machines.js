// Lists of machines: what a search and filters leave over, in which order, and who is behind whom.

import { finder } from "./search.js";

// Where to find the filters in the address, and what they are without it.
export const linkFilters = {
  q: "",
  type: "",
  status: "",
  enrolled: "",
  tag: "",
  sort: "id",
  dir: "asc",
  view: "table",
};

// The machines that fit, sorted; ties by id. A search looks at all that names a machine.
export function selectMachines(machines, filters) {
  const found = finder(filters.q);
  const fits = (one) =>
    (!filters.type || one.type === filters.type) &&
    (!filters.status || one.status === filters.status) &&
    (!filters.enrolled || String(one.enrolled) === filters.enrolled) &&
    (!filters.tag || one.tags.includes(filters.tag)) &&
    found(...texts(one));
  return sortMachines(machines.filter(fits), filters.sort, filters.dir);
}

function texts(one) {
  const { host, port, user, proxyJump } = one.ssh;
  return [
    one.id,
    one.name,
    one.type,
    one.provider,
    `${user}@${host}:${port}`,
    proxyJump,
    one.status,
    ...one.tags,
  ];
}

const VALUES = {
  id: (one) => one.id,
  name: (one) => one.name,
  type: (one) => one.type,
  host: (one) => one.ssh.host,
  proxyJump: (one) => one.ssh.proxyJump,
  status: (one) => one.status,
  enrolled: (one) => Number(one.enrolled),
  latency: (one) => one.health.latency,
  lastSeen: (one) => one.health.lastSeen,
};

// Missing values come last in both directions, as the API has it.
export function sortMachines(machines, sort, dir) {
  const value = VALUES[sort] ?? VALUES.id;
  const sign = dir === "desc" ? -1 : 1;
  const keyed = machines.map((one) => ({ one, value: value(one) ?? null }));
  keyed.sort((a, b) => {
    if (a.value === null || b.value === null) {
      if (a.value !== b.value) return a.value === null ? 1 : -1;
    } else if (a.value !== b.value) return a.value < b.value ? -sign : sign;
    return a.one.id < b.one.id ? -1 : 1;
  });
  return keyed.map(({ one }) => one);
}

export function allTags(machines) {
  return [...new Set(machines.flatMap((one) => one.tags))].sort();
}

// Trees by jump host: `{machine, behind: [...]}` for each machine that is reached directly. A jump
// host that is not in the list is a root without a machine.
export function byJump(machines) {
  const nodes = new Map(
    machines.map((machine) => [machine.id, { id: machine.id, machine, behind: [] }]),
  );
  const roots = [];
  for (const { id, ssh } of machines) {
    if (!ssh.proxyJump) roots.push(nodes.get(id));
    else if (nodes.has(ssh.proxyJump)) nodes.get(ssh.proxyJump).behind.push(nodes.get(id));
    else {
      const missing = { id: ssh.proxyJump, machine: null, behind: [nodes.get(id)] };
      nodes.set(ssh.proxyJump, missing);
      roots.push(missing);
    }
  }
  return roots;
}
