// A fleet for the browser: real OpenSSH servers on loopback, a real Git repository with machines and
// scripts, and a real linkopsd, all in one temporary directory and on free ports.

import { execFileSync, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
  openSync,
  readdirSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const SSHD = "/usr/sbin/sshd";

// The program that is tested.
export function linkopsd() {
  const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
  return process.env.LINKOPSD ?? join(target, "debug/linkopsd");
}

// Waits for a condition, with a deadline.
export async function until(what, condition, { seconds = 60 } = {}) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Fleet {
  #started = [];

  // `machines` are `{id, ...fields of links.yaml}`; `scripts` are id to `{text, ...fields}`.
  static async start({ machines, scripts, settings = "", servers = 2 }) {
    const fleet = new Fleet();
    try {
      fleet.directory = mkdtempSync(join(tmpdir(), "linkops-web."));
      fleet.repository = join(fleet.directory, "repository");
      fleet.machines = machines;
      fleet.scripts = scripts;
      await fleet.#startServers(servers);
      fleet.#makeRepository();
      fleet.#configure(settings);
      await fleet.launch();
      return fleet;
    } catch (error) {
      await fleet.stop();
      throw error;
    }
  }

  path(...names) {
    return join(this.directory, ...names);
  }

  async #startServers(count) {
    if (process.getuid() === 0) mkdirSync("/run/sshd", { recursive: true });
    mkdirSync(this.path("keys"));
    mkdirSync(this.path("ids"));
    keyPair(this.path("keys/id_ed25519"));
    this.servers = [];
    for (let number = 0; number < count; number += 1)
      this.servers.push(await this.#startServer(number));
  }

  async #startServer(number) {
    const directory = this.path(`sshd-${number}`);
    mkdirSync(join(directory, "home"), { recursive: true });
    keyPair(join(directory, "host_key"));
    const log = join(directory, "log");
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const port = await freePort();
      const lines = [
        "ListenAddress 127.0.0.1",
        "ListenAddress 127.0.0.2",
        `Port ${port}`,
        `HostKey ${directory}/host_key`,
        `AuthorizedKeysFile ${this.path("keys/id_ed25519.pub")}`,
        "PidFile none",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin yes",
        "MaxStartups 500",
        "MaxSessions 200",
        "PrintMotd no",
        "PrintLastLog no",
        "UseDNS no",
        "PermitUserRC no",
        `SetEnv HOME=${directory}/home XDG_STATE_HOME=${directory}/home/.local/state`,
      ];
      writeFileSync(join(directory, "config"), `${lines.join("\n")}\n`);
      const child = this.#spawn(SSHD, ["-D", "-e", "-f", join(directory, "config")], log);
      await until(
        "sshd listens",
        () => child.exitCode !== null || read(log).split("Server listening").length > 2,
      );
      if (child.exitCode === null) return { port, child };
    }
    throw new Error(`sshd did not start:\n${read(log)}`);
  }

  #spawn(program, options, log, more = {}) {
    const file = openSync(log, "a");
    const child = spawn(program, options, {
      stdio: ["ignore", file, file],
      detached: true,
      ...more,
    });
    this.#started.push(child);
    return child;
  }

  #makeRepository() {
    mkdirSync(join(this.repository, "scripts"), { recursive: true });
    this.writeFiles();
    this.git("init", "--quiet", "--template=", "--initial-branch=main");
    this.commit("The machines and the scripts of the fleet");
  }

  // links.yaml and scripts.yaml are JSON, which is YAML.
  writeFiles() {
    const links = {};
    this.machines.forEach(({ id, server = 0, down = false, ...fields }, at) => {
      const file = this.path("ids", id);
      if (!existsSync(file)) writeFileSync(file, `LINKOPS-${randomUUID()}\n`);
      links[id] = {
        host: this.round % 2 === 1 ? "127.0.0.2" : "127.0.0.1",
        // Nobody listens on port 1.
        port: down ? 1 : this.servers[(server + at) % this.servers.length].port,
        user: userInfo().username,
        enrollment: { clientId: read(file).trim(), path: file },
        ssh: { keyRef: "id_ed25519" },
        ...fields,
      };
    });
    const scripts = {};
    for (const [id, { text, ...fields }] of Object.entries(this.scripts)) {
      const path = `scripts/${id}.sh`;
      // A script can look at a file of the test: @GATE@ is `gate` in the fleet's directory.
      const real = text.replace(/@([A-Z]+)@/g, (_, name) => this.path(name.toLowerCase()));
      writeFileSync(join(this.repository, path), real);
      scripts[id] = { name: id, description: `The script ${id}`, path, ...fields };
    }
    this.writeRepository("links.yaml", JSON.stringify({ links }, null, 1));
    this.writeRepository("scripts.yaml", JSON.stringify({ scripts }, null, 1));
  }

  writeRepository(name, text) {
    writeFileSync(join(this.repository, name), text);
  }

  git(...options) {
    const person = { NAME: "Ada", EMAIL: "ada@example.com" };
    const env = { PATH: process.env.PATH, HOME: this.directory, GIT_CONFIG_NOSYSTEM: "1" };
    for (const [key, value] of Object.entries(person)) {
      env[`GIT_AUTHOR_${key}`] = value;
      env[`GIT_COMMITTER_${key}`] = value;
    }
    return execFileSync("git", ["-C", this.repository, ...options], { env, encoding: "utf8" });
  }

  commit(message) {
    this.git("add", "--all");
    this.git("commit", "--quiet", `--message=${message}`);
  }

  #configure(settings) {
    const sections = [
      // Tests click faster than people.
      `[api]\nport = 0\nrate_limit = 0\nlogin_rate_limit = 0\njwt_secret = ${randomBytes(32).toString("hex")}`,
      "[database]\npath = linkops.db",
      `[git]\nrepository_url = ${this.repository}\nlocal_path = git-repo\nsync_interval_minutes = 0`,
      "[ssh]\nkeys_directory = keys\nknown_hosts_path = known_hosts\nconnection_timeout = 5\nmax_retries = 1\nretry_delay = 1",
      "[operations]\nmax_concurrency = 50\nstop_grace = 1\ndrain_timeout = 1",
      "[terminal]\nrecordings_directory = recordings",
      "[logging]\npath = api.log",
    ];
    mkdirSync(this.path("recordings"));
    writeFileSync(this.path("config.ini"), `${sections.join("\n\n")}\n`);
    this.environment = { PATH: process.env.PATH, HOME: this.directory };
    for (const line of settings.split("\n").filter(Boolean)) {
      const [name, value] = line.split("=").map((one) => one.trim());
      this.environment[`LINKOPS_${name.replace(".", "_").toUpperCase()}`] = value;
    }
  }

  // Starts the server; again, on the same port, after `halt`.
  async launch() {
    const log = this.path(`linkopsd-${this.#started.length}.out`);
    const env = this.url
      ? { ...this.environment, LINKOPS_API_PORT: new URL(this.url).port }
      : this.environment;
    this.server = this.#spawn(linkopsd(), ["serve", "--config", this.path("config.ini")], log, {
      env,
    });
    await until("linkopsd listens", () => {
      if (this.server.exitCode !== null) throw new Error(`linkopsd ended:\n${read(log)}`);
      return /listening on (\S+)/.test(read(log));
    });
    this.url = /listening on (\S+)/.exec(read(log))[1];
    this.password = /has the password (\S+)/.exec(read(log))?.[1] ?? this.password;
  }

  async halt() {
    await end(this.server);
  }

  // A call of the API as admin; throws on failures.
  async call(method, path, body) {
    if (!this.token) {
      const answer = await this.#fetch("POST", "/api/auth/login", {
        username: "admin",
        password: this.password,
      });
      this.token = answer.token;
    }
    return this.#fetch(method, path, body);
  }

  async #fetch(method, path, body) {
    const headers = { "Content-Type": "application/json" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const response = await fetch(this.url + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  async sync() {
    await this.call("POST", "/api/git/sync", {});
    return this.call("POST", "/api/links/verify", {});
  }

  // Has all machines checked that many times (an even number): one that a sync has changed, here in
  // its address, is checked at once.
  async check(times) {
    for (let round = 1; round <= times; round += 1) {
      const before = await this.#checks();
      this.round = round;
      this.writeFiles();
      this.commit(`Round ${round}`);
      await this.call("POST", "/api/git/sync", {});
      await until(
        "all are checked",
        async () => (await this.#checks()) >= before + this.machines.length,
      );
    }
    this.round = 0;
    await this.call("POST", "/api/links/verify", {});
  }

  async #checks() {
    const found = await this.call("GET", "/api/health/links?points=288");
    return Object.values(found).reduce((sum, points) => sum + points.length, 0);
  }

  // Runs scripts and waits for their end.
  async run(scripts, targets, more = {}) {
    const { operation_id: id } = await this.call("POST", "/api/operations/run", {
      scripts,
      targets,
      ...more,
    });
    await until(
      `${id} ends`,
      async () => (await this.call("GET", `/api/operations/${id}`)).ended !== null,
    );
    return id;
  }

  addUser(name, role, password) {
    const options = [
      "user",
      "add",
      name,
      "--role",
      role,
      "--password-stdin",
      "--config",
      this.path("config.ini"),
    ];
    execFileSync(linkopsd(), options, { input: `${password}\n`, env: this.environment });
  }

  async stop() {
    for (const child of this.#started.reverse()) await end(child);
    if (!this.directory) return;
    killOrphans(this.servers ?? []);
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function keyPair(file) {
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", file]);
}

function read(file) {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

async function end(child) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
  await gone;
  clearTimeout(timer);
}

// What was started over our connections and lives on; its environment names the port.
function killOrphans(servers) {
  const marks = servers.flatMap(({ port }) => [` 127.0.0.1 ${port}`, ` 127.0.0.2 ${port}`]);
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
      const connection = environment.find((one) => one.startsWith("SSH_CONNECTION=")) ?? "";
      if (marks.some((mark) => connection.endsWith(mark))) process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended, or is not ours to look at.
    }
  }
}
