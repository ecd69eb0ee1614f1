// The fleet of the screenshots: three providers, machines behind their hosts, one that is down, one
// that is not enrolled, and scripts that do something worth seeing. What is seen of it is not of the
// machine on which the screenshots are made.

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const vm = (id, host, tags, more = {}) => ({
  id,
  type: "VM",
  provider: "proxmox",
  tags,
  ssh: { keyRef: "id_ed25519", proxyJump: host },
  ...more,
});

export const machines = [
  {
    id: "edge-ams",
    name: "Edge Amsterdam",
    type: "VPS",
    provider: "hetzner",
    tags: ["edge", "production"],
    metadata: { location: "ams1", plan: "cx22" },
  },
  {
    id: "edge-fra",
    name: "Edge Frankfurt",
    type: "VPS",
    provider: "hetzner",
    tags: ["edge", "production"],
    metadata: { location: "fra1", plan: "cx22" },
  },
  {
    id: "edge-nyc",
    name: "Edge New York",
    type: "VPS",
    provider: "vultr",
    tags: ["edge", "production"],
    down: true,
  },
  { id: "build-01", name: "Build host", type: "VPS", provider: "hetzner", tags: ["ci"] },
  {
    id: "pve-01",
    name: "Rack 1",
    type: "Proxmox",
    provider: "own",
    tags: ["rack-1"],
    metadata: { rack: 1, serial: "PVE-77120" },
  },
  {
    id: "pve-02",
    name: "Rack 2",
    type: "Proxmox",
    provider: "own",
    tags: ["rack-2"],
    metadata: { rack: 2 },
  },
  vm("web-01", "pve-01", ["web", "production"], { metadata: { vmid: 101, cores: 4 } }),
  vm("web-02", "pve-02", ["web", "production"]),
  vm("web-03", "pve-02", ["web", "staging"]),
  vm("db-01", "pve-01", ["db", "production"], { metadata: { vmid: 110 } }),
  vm("db-02", "pve-02", ["db", "production"]),
  vm("cache-01", "pve-01", ["cache", "production"]),
  vm("mail-01", "pve-02", ["mail"]),
];

// The machine whose client id is another one than the inventory says.
export const stranger = "mail-01";

const bash = (text) => `#!/bin/bash -eu\n${text}\n`;

export const scripts = {
  "system-facts": {
    name: "System facts",
    description: "Kernel, uptime and memory of a machine",
    estimatedDuration: 1,
    tags: ["read-only"],
    text: bash(`echo "kernel   $(uname -sr)"
echo "uptime   $(uptime -p)"
free -m | awk '/^Mem/ { printf "memory   %d MiB\\n", $2 }'`),
  },
  "disk-usage": {
    name: "Disk usage",
    description: "How full each disk is; fails when one has reached the limit",
    flags: ["--limit=80"],
    estimatedDuration: 1,
    tags: ["read-only"],
    text: bash(`limit=80
for flag in "$@"; do limit=\${flag#--limit=}; done
df --output=pcent,target -x tmpfs -x devtmpfs | tail -n +2 | while read -r used where; do
  printf '%5s  %s\\n' "$used" "$where"
done
((limit > 5)) || { echo "a disk has reached $limit %" >&2; exit 1; }`),
  },
  "security-updates": {
    name: "Security updates",
    description: "Installs what the distribution has marked as security fixes",
    flags: ["--dry-run", "--reboot=never"],
    estimatedDuration: 6,
    tags: ["changes", "weekly"],
    text: bash(`printf '\\e[1mReading package lists\\e[0m\\n'
for name in libssl3 openssh-server curl bash; do
  sleep 0.\${SLOW:-4}
  printf '\\e[32mok\\e[0m     %-16s unpacked\\n' "$name"
done
printf '\\e[33mwarn\\e[0m   a restart of sshd is due\\n' >&2
echo "4 packages updated"`),
  },
  "restart-web": {
    name: "Restart web server",
    description: "Drains the balancer, restarts nginx, waits until it answers",
    flags: ["--grace=10"],
    estimatedDuration: 3,
    tags: ["changes", "web"],
    text: bash(`echo "draining"
sleep 0.3
case $SSH_CONNECTION in *) echo "nginx: configuration file test is successful" ;; esac
host=$(basename "$(dirname "$HOME")")
if [[ $host == sshd-1 ]]; then
  echo "nginx: [emerg] bind() to 0.0.0.0:443 failed (98: Address already in use)" >&2
  exit 7
fi
echo "restarted, answers in 41 ms"`),
  },
  "long-haul": {
    name: "Rebuild search index",
    description: "Rebuilds the index, shard by shard; takes a while",
    estimatedDuration: 120,
    tags: ["changes"],
    text: bash(`for shard in {1..240}; do
  printf 'shard %03d  %7d documents\\n' "$shard" $((shard * 7919 % 65536 + 40000))
  sleep 0.5
done`),
  },
};

// Programs whose answers would tell of the machine, by server.
const programs = (number) => ({
  uname: `echo "Linux 6.12.${43 + number}+deb13-amd64"`,
  uptime: 'echo "up 12 days, 4 hours"',
  free: 'printf "      total\\nMem:   3915\\n"',
  df: 'printf "Use%% Mounted on\\n 41%% /\\n 63%% /var\\n 88%% /srv\\n"',
});

const files = {
  "nginx/access.log": [
    '203.0.113.7 "GET / HTTP/2" 200 5120',
    '203.0.113.40 "GET /search?q=racks HTTP/2" 200 18233',
    '198.51.100.23 "POST /login HTTP/2" 302 0',
  ],
  "redis.conf": [
    "bind 10.20.0.22",
    "maxmemory 2gb",
    "maxmemory-policy allkeys-lru",
    "appendonly no",
  ],
  "release.txt": ["shop 2.14.1, of the 14th"],
  "releases/2.14.0/README": ["shop"],
  "releases/2.14.1/README": ["shop"],
  "shared/.keep": [],
};

// Gives the servers these programs, and their users something in their homes.
function furnish(fleet) {
  fleet.servers.forEach((_, number) => {
    const place = (...names) => fleet.path(`sshd-${number}`, ...names);
    mkdirSync(place("bin"));
    for (const [name, text] of Object.entries(programs(number))) {
      writeFileSync(place("bin", name), `#!/bin/sh\n${text}\n`);
      chmodSync(place("bin", name), 0o755);
    }
    for (const [name, lines] of Object.entries(files)) {
      mkdirSync(join(place("home", name), ".."), { recursive: true });
      writeFileSync(place("home", name), lines.map((one) => `${one}\n`).join(""));
    }
  });
}

// Starts something that is still at work while its pictures are made.
export async function startRunning(fleet, targets, first) {
  const body = { scripts: [first, "long-haul"], targets, concurrency: 7 };
  return (await fleet.call("POST", "/api/operations/run", body)).operation_id;
}

// Fills a fleet with what has happened on it; gives the ids of what the pages show.
export async function seed(fleet) {
  furnish(fleet);
  await fleet.sync();
  for (const [name, role] of [
    ["grace", "operator"],
    ["linus", "operator"],
    ["vera", "viewer"],
  ]) {
    await fleet.call("POST", "/api/users", {
      username: name,
      role,
      password: `${name} has a password`,
    });
  }
  for (const [name, role] of [
    ["nightly pipeline", "operator"],
    ["status board", "viewer"],
  ]) {
    await fleet.call("POST", "/api/tokens", { name, role });
  }
  const able = machines.filter((one) => !one.down && one.id !== stranger).map((one) => one.id);
  const web = able.filter((id) => id.startsWith("web-"));
  await fleet.check(12);
  writeFileSync(fleet.path("ids", stranger), "LINKOPS-00000000-0000-4000-8000-000000000000\n");
  await fleet.call("POST", "/api/links/verify", {});
  await fleet.run(["system-facts"], able);
  await fleet.run(["disk-usage"], able, { flags: { "disk-usage": ["--limit=90"] } });
  await fleet.run(["security-updates"], able.slice(0, 4));
  const partial = await fleet.run(["system-facts", "restart-web"], able);
  await fleet.run(["disk-usage"], web);
  return { partial, able };
}
