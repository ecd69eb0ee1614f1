// The parts of the console that need no browser: reading of output, of streams, of filters.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  lastDrawn,
  plainText,
  PLAIN,
  readLine,
  sliceSpans,
  styleAfter,
  textWidth,
} from "../core/ansi.js";
import { readCast, shorten } from "../core/cast.js";
import { dayEnd, dayStart } from "../core/days.js";
import { ago, bytes, count, duration, names, plural } from "../core/format.js";
import { layoutFor, moveEdge } from "../core/layouts.js";
import { byJump, linkFilters, selectMachines } from "../core/machines.js";
import { Output } from "../core/output.js";
import { readQuery, writeQuery } from "../core/query.js";
import { byTraits, howOf, parseLimit, parseWaves, requestOf } from "../core/runform.js";
import { cutOff } from "../core/timeline.js";
import { progressOf, stateOf, Watch } from "../core/watch.js";
import { contentHeight, rowAt, scrollFor, TALLEST, visibleRows } from "../core/windowing.js";
import { wrapMap } from "../core/wrapping.js";

// The same numbers on each run.
function random(seed) {
  let state = seed;
  return (most) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
}

test("a line of several lists ends where the first of them does", () => {
  assert.equal(
    cutOff([
      [[9, 5], true],
      [[], true],
    ]),
    null,
  );
  assert.equal(
    cutOff([
      [[9, 5], false],
      [[8, 2], false],
      [[1], true],
    ]),
    5,
  );
});

test("a day ends where the next one begins", () => {
  for (const [day, next] of [
    ["2026-03-28", "2026-03-29"],
    ["2026-03-29", "2026-03-30"],
    ["2026-12-31", "2027-01-01"],
  ])
    assert.equal(dayEnd(day), dayStart(next));
  assert.equal(new Date(dayStart("2026-05-01")).getHours(), 0);
});

test("numbers and times are as people say them", () => {
  assert.deepEqual([0, 999, 4260, 59_999, 61_000, 3_600_000, 90_000_000].map(duration), [
    "0 ms",
    "999 ms",
    "4.2 s",
    "59 s",
    "1 min 01 s",
    "1 h 00 min",
    "1 d 1 h",
  ]);
  assert.equal(duration(null), "–");
  assert.deepEqual(
    [ago(1000, 2000), ago(0, 61_000), ago(100_000, 0), ago(null)],
    ["now", "1 min ago", "in 1 min", "never"],
  );
  assert.deepEqual([bytes(1023), bytes(1024), bytes(10_500_000)], ["1023 B", "1.0 KiB", "10 MiB"]);
  assert.deepEqual(
    [count(1234567), plural(1, "machine"), plural(0, "machine")],
    ["1,234,567", "1 machine", "0 machines"],
  );
  assert.equal(names(["a", "b", "c"]), "a, b and c");
  assert.equal(names(["a", "b", "c"], 2), "a, b and 1 more");
});

test("escape sequences become styles and are never shown", () => {
  const { spans, style } = readLine(
    "\x1b[1;31mred\x1b[0m plain \x1b[38;5;196mcube\x1b[48;2;1;2;3m \x1b[22;39;49mend",
  );
  assert.deepEqual(
    spans.map((one) => one.text),
    ["red", " plain ", "cube", " ", "end"],
  );
  assert.deepEqual(spans[0].style, { bold: true, fore: 1 });
  assert.deepEqual(spans[1].style, PLAIN);
  assert.equal(spans[2].style.fore, "rgb(255 0 0)");
  assert.equal(spans[3].style.back, "rgb(1 2 3)");
  assert.deepEqual(style, PLAIN);
  assert.deepEqual(readLine("\x1b[92mgoes on").style, { fore: 10 });
  assert.equal(plainText("\x1b]0;title\x07a\x1b[2Kb\x1b(Bc\x07\x1b"), "abc");
  assert.equal(plainText("a\tb"), "a       b");
});

test("what was drawn over is gone, its colours are not", () => {
  assert.equal(lastDrawn("10%\r50%\r100%\r"), "100%");
  const { spans } = readLine("\x1b[32m10%\r100%");
  assert.deepEqual(spans, [{ text: "100%", style: { fore: 2 } }]);
});

test("columns are those of a terminal", () => {
  assert.deepEqual(["abc", "äö", "世界", "e\u0301", "👋"].map(textWidth), [3, 2, 4, 1, 2]);
  const spans = [
    { text: "ab", style: 1 },
    { text: "世界cd", style: 2 },
  ];
  assert.deepEqual(sliceSpans(spans, 2, 6), [{ text: "世界", style: 2 }]);
  assert.deepEqual(sliceSpans(spans, 0, 2), [{ text: "ab", style: 1 }]);
});

// Reads all lines, waiting for blocks.
async function allLines(output) {
  const found = [];
  for (let number = 0; number < output.count; number += 1) {
    let line = output.line(number);
    while (line === undefined) {
      await new Promise((resolve) => output.line(number, resolve));
      line = output.line(number);
    }
    found.push(line);
  }
  return found;
}

test("any output in any pieces is kept whole, in order, and found again", async () => {
  const next = random(7);
  for (let round = 0; round < 100; round += 1) {
    const output = new Output();
    const wanted = { stdout: "", stderr: "" };
    const pieces = 1 + next(60);
    for (let piece = 0; piece < pieces; piece += 1) {
      const stream = next(3) === 0 ? "stderr" : "stdout";
      const letters = [
        "a",
        "\n",
        "ä",
        "\x1b[31m",
        "👋",
        "x".repeat(next(300)),
        "long ".repeat(next(4000)),
        "\t",
        "\r",
      ];
      let text = "";
      for (let letter = 0; letter < next(12); letter += 1) text += letters[next(letters.length)];
      wanted[stream] += text;
      output.append(stream, text);
    }
    assert.equal(output.bytes, wanted.stdout.length + wanted.stderr.length);
    output.end();
    assert.equal(await (await output.file("stdout")).text(), wanted.stdout);
    assert.equal(await (await output.file("stderr")).text(), wanted.stderr);
    const lines = await allLines(output);
    for (const stream of ["stdout", "stderr"]) {
      const mine = lines.filter((one) => one.isError === (stream === "stderr"));
      const joined = mine.map((one, at) => (at > 0 && !one.isMore ? "\n" : "") + one.text).join("");
      assert.equal(joined, wanted[stream].replace(/\n$/, ""));
    }
    lines.forEach((line, number) =>
      assert.equal(output.width(number), textWidth(plainText(line.text))),
    );
  }
});

test("a colour that was left on goes on in the next block", async () => {
  const output = new Output();
  output.append("stdout", "\x1b[31mred\n");
  output.append("stderr", "\x1b[32mgreen\n");
  output.append("stdout", "still red\n".repeat(20_000));
  output.append("stderr", "still green\n");
  const lines = await allLines(output);
  assert.deepEqual(lines[15_000].before, { fore: 1 });
  assert.deepEqual(lines.at(-1).before, { fore: 2 });
});

test("a search finds each line that has the text, and only what is to be seen", async () => {
  const output = new Output();
  for (let number = 0; number < 9000; number += 1)
    output.append(
      "stdout",
      `\x1b[1mline\x1b[0m ${number}${number % 1000 === 7 ? " Needle" : ""}\n`,
    );
  const found = [];
  for await (const numbers of output.search("needle")) found.push(...numbers);
  assert.deepEqual(found, [7, 1007, 2007, 3007, 4007, 5007, 6007, 7007, 8007]);
  const hidden = [];
  for await (const numbers of output.search("[1m")) hidden.push(...numbers);
  assert.deepEqual(hidden, []);
  const later = [];
  for await (const numbers of output.search("needle", 5000)) later.push(...numbers);
  assert.deepEqual(later, [5007, 6007, 7007, 8007]);
});

test("wrapped rows and lines belong together both ways", () => {
  const next = random(3);
  const output = new Output();
  let map = wrapMap(output, 40);
  for (let round = 0; round < 30; round += 1) {
    for (let line = 0; line < next(2000); line += 1)
      output.append("stdout", `${"w".repeat(next(200))}\n`);
    if (next(2)) output.append("stdout", "open");
    map.update(output);
    const rows = Array.from({ length: output.count }, (_, line) =>
      Math.max(1, Math.ceil(output.width(line) / 40)),
    );
    assert.equal(
      map.rows,
      rows.reduce((a, b) => a + b, 0),
    );
    let top = 0;
    rows.forEach((height, line) => {
      if (line % 97 === 0) {
        assert.equal(map.rowOf(line), top);
        assert.deepEqual(map.lineAt(top + height - 1), [line, height - 1]);
      }
      top += height;
    });
  }
});

test("rows in sight, also of lists that are taller than a browser allows", () => {
  assert.deepEqual(visibleRows({ count: 100, rowHeight: 10, top: -500, height: 100, spare: 0 }), {
    first: 50,
    end: 60,
  });
  assert.deepEqual(visibleRows({ count: 3, rowHeight: 10, top: 900, height: 100 }), {
    first: 0,
    end: 0,
  });
  const view = { count: 5_000_000, rowHeight: 18, viewHeight: 600 };
  assert.equal(contentHeight(view.count, 18, 600), TALLEST);
  for (const row of [0, 1, 2_500_000, 4_999_966])
    assert.ok(Math.abs(rowAt(scrollFor(row, view), view) - row) < 1e-6);
  assert.ok(rowAt(TALLEST - 600, view) + 600 / 18 >= view.count - 1e-6);
});

const machine = (id, more = {}) => ({
  id,
  name: id,
  type: "VM",
  provider: null,
  tags: [],
  enrolled: true,
  ssh: { host: "h", port: 22, user: "u", proxyJump: null },
  health: { latency: null, lastSeen: null },
  status: "online",
  ...more,
});

test("machines are filtered and sorted as the API does it", () => {
  const all = [
    machine("b", { tags: ["web"] }),
    machine("a", { health: { latency: 5, lastSeen: 1 } }),
    machine("c", { type: "VPS", health: { latency: 3, lastSeen: 2 } }),
  ];
  const ids = (more) => selectMachines(all, { ...linkFilters, ...more }).map((one) => one.id);
  assert.deepEqual(ids({}), ["a", "b", "c"]);
  assert.deepEqual(ids({ sort: "latency" }), ["c", "a", "b"]);
  assert.deepEqual(ids({ sort: "latency", dir: "desc" }), ["a", "c", "b"]);
  assert.deepEqual(ids({ tag: "web" }), ["b"]);
  assert.deepEqual(ids({ q: "VPS u@h" }), ["c"]);
  const behind = (id, host) =>
    machine(id, { ssh: { host: "h", port: 22, user: "u", proxyJump: host } });
  const roots = byJump([machine("top"), behind("under", "top"), behind("lost", "gone")]);
  assert.deepEqual(
    roots.map((one) => [one.id, one.machine !== null, one.behind.map((two) => two.id)]),
    [
      ["top", true, ["under"]],
      ["gone", false, ["lost"]],
    ],
  );
});

test("filters stand in the address and come back", () => {
  const defaults = { q: "", dir: "asc", tags: [] };
  assert.equal(writeQuery(defaults, defaults), "");
  const values = { q: "a b&c", dir: "desc", tags: ["x", "y"] };
  assert.equal(writeQuery(defaults, values), "?q=a+b%26c&dir=desc&tags=x,y");
  assert.deepEqual(readQuery(defaults, writeQuery(defaults, values)), values);
});

test("the run form makes the request of the contract", () => {
  assert.deepEqual(parseWaves("1, 10% rest"), [1, "10%", "rest"]);
  assert.throws(() => parseWaves("rest, 1"), /at the end/);
  assert.throws(() => parseWaves("x"), /x is neither/);
  assert.deepEqual([parseLimit(""), parseLimit("0"), parseLimit("10%")], [null, 0, "10%"]);
  const flags = new Map([
    [
      "s",
      new Map([
        ["--limit=80", "9 0"],
        ["--fast", null],
      ]),
    ],
  ]);
  const form = {
    scripts: ["s"],
    flags,
    targets: ["a"],
    concurrency: "3",
    goesOn: true,
    waves: "1,rest",
    maxFailures: "1",
  };
  assert.deepEqual(requestOf(form), {
    scripts: ["s"],
    targets: ["a"],
    concurrency: 3,
    on_failure: "continue",
    flags: { s: ["--limit=9 0", "--fast"] },
    waves: [1, "rest"],
    max_failures: 1,
  });
  assert.throws(() => requestOf({ ...form, targets: [] }), { field: "targets" });
  for (const concurrency of ["0.5", "0", "-1", "?"])
    assert.throws(() => requestOf({ ...form, concurrency }), { field: "concurrency" });
  assert.equal("concurrency" in requestOf({ ...form, concurrency: "" }), false);
  const before = { concurrency: 2, on_failure: "continue", max_failures: 1 };
  assert.deepEqual(howOf({ ...before, waves: [["a"], ["b", "c"], ["d"]] }), {
    concurrency: "2",
    goesOn: true,
    waves: "1, 2, rest",
    maxFailures: "1",
  });
  assert.deepEqual(howOf({ ...before, on_failure: "stop", waves: null }), {
    concurrency: "2",
    goesOn: false,
    waves: "",
    maxFailures: "",
  });
  const all = [
    machine("a", { tags: ["web"] }),
    machine("b", { tags: ["web"], type: "VPS" }),
    machine("c"),
  ];
  assert.deepEqual(
    byTraits(all, { tags: ["web"], types: ["VM"] }).map((one) => one.id),
    ["a"],
  );
  assert.deepEqual(byTraits(all, { tags: [], types: [] }), []);
});

test("an operation is what its events say", () => {
  const log = (target, script) => ({
    target,
    script,
    status: "queued",
    exit_code: null,
    truncated: false,
    duration: null,
    started: null,
    ended: null,
    error: null,
  });
  const watch = new Watch({
    status: "running",
    scripts: ["s", "t"],
    targets: ["a", "b"],
    logs: [log("a", "s"), log("a", "t"), log("b", "s"), log("b", "t")],
  });
  const tell = (event, data) => watch.take({ event, data: JSON.stringify(data) });
  const states = () => watch.targets.map(stateOf);
  assert.deepEqual(states(), ["queued", "queued"]);
  tell("start", { target: "a", script: "s", index: 1, total: 4 });
  tell("output", { target: "a", script: "s", stream: "stdout", data: "hi\n" });
  assert.deepEqual(states(), ["running", "queued"]);
  assert.equal(watch.run("a", "s").output.count, 1);
  tell("complete", {
    target: "a",
    script: "s",
    status: "failed",
    exit_code: 1,
    duration: 5,
    error: null,
  });
  tell("complete", {
    target: "a",
    script: "t",
    status: "skipped",
    exit_code: null,
    duration: null,
    error: null,
  });
  assert.deepEqual(states(), ["failed", "queued"]);
  assert.equal(progressOf(watch.targets[0], new Map()), 1);
  assert.equal(watch.firstFailure().target, "a");
  assert.equal(watch.isOver, false);
  assert.equal(tell("end", { status: "partial", result: {}, duration: 9 }), false);
  assert.equal(watch.isOver, true);
  assert.deepEqual(watch.result, { success: 0, failed: 1, stopped: 0, skipped: 1 });
});

test("a recording is read, also one that was cut, and its pauses are left out", () => {
  const text =
    '{"version":2,"width":80,"height":24}\n[0.5,"o","a"]\n[10.5,"o","b"]\n[11,"r","100x30"]\n[12,"o","c';
  const cast = readCast(text);
  assert.deepEqual([cast.width, cast.height, cast.length], [80, 24, 11_000]);
  assert.deepEqual(
    shorten(cast, 1000).events.map((one) => one.at),
    [500, 1500, 2000],
  );
});

test("edges between panes move, and none gets too small", () => {
  assert.deepEqual(moveEdge([0.5, 0.5], 0, 0.25), [0.75, 0.25]);
  assert.equal(moveEdge([0.5, 0.5], 0, 0.9)[1].toFixed(2), "0.12");
  assert.deepEqual(
    [1, 2, 3, 4].map((count_) => layoutFor(count_).id),
    ["single", "grid2x1", "grid1x3", "grid2x2"],
  );
  assert.deepEqual(styleAfter("\x1b[3m", PLAIN), { italic: true });
});
