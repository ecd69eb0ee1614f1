// A recording, played like a film: pause, speed, any place of it, long pauses left out.

import { call, get } from "../core/api.js";
import { readCast, shorten, sizeOf } from "../core/cast.js";
import { h, replace } from "../core/dom.js";
import { duration } from "../core/format.js";
import { bindKeys } from "../core/keys.js";
import { whenLeft } from "../core/live.js";
import { saveFile } from "../core/saving.js";
import { pageHead, timeAt } from "../parts/head.js";
import { icon } from "../parts/icons.js";
import { loadStyle } from "../parts/style.js";
import { makeTerm } from "../parts/term.js";

const css = "asset:style/terminal.css";
const LONGEST_PAUSE = 1500;
// Steps of the bar.
const PLACES = 200;
const SPEEDS = ["1", "2", "4", "8"];

export default async function recording({ params, signal, title }) {
  const address = `/api/recordings/${encodeURIComponent(params.id)}`;
  const [text, list] = await Promise.all([
    call("GET", address, { signal, raw: true }).then((answer) => answer.text()),
    get("/api/recordings", {}, signal),
    loadStyle(css),
  ]);
  const one = list.find(({ id }) => String(id) === params.id) ?? null;
  const real = readCast(text);
  const tool = await makeTerm({
    disableStdin: true,
    cols: real.width,
    rows: real.height,
    scrollback: 5000,
  });
  let cast = shorten(real, LONGEST_PAUSE);
  let place = 0;
  let next = 0;
  let isPlaying = false;
  let before = 0;
  title(one ? `Recording of ${one.target}` : "Recording");

  const play = h("button.primary", { type: "button", onclick: toggle });
  const bar = h("input.seek", {
    type: "range",
    min: "0",
    max: String(PLACES),
    "aria-label": "Place in the recording",
    oninput: () => seek((Number(bar.value) / PLACES) * cast.length),
  });
  const clock = h("span.number.soft.small");
  const speed = h(
    "select",
    { "aria-label": "Speed" },
    SPEEDS.map((value) => h("option", { value }, `${value}×`)),
  );
  const skips = h("input", { type: "checkbox", onchange: () => pauses(skips.checked) });
  skips.checked = true;
  const screen = h("div.termplace.film");

  function pauses(left) {
    const share = cast.length ? place / cast.length : 0;
    cast = left ? shorten(real, LONGEST_PAUSE) : real;
    seek(share * cast.length);
  }

  // Everything up to a place at once; going back begins anew.
  function seek(to) {
    if (to < place || next === 0) {
      tool.after(() => (tool.term.reset(), tool.term.resize(real.width, real.height)));
      next = 0;
    }
    place = to;
    catchUp();
  }

  function catchUp() {
    let data = "";
    for (; next < cast.events.length && cast.events[next].at <= place; next += 1) {
      const event = cast.events[next];
      if (event.kind === "o") data += event.data;
      const size = event.kind === "r" && sizeOf(event.data);
      if (size) {
        tool.term.write(data);
        data = "";
        tool.after(() => tool.term.resize(size.columns, size.rows));
      }
    }
    if (data) tool.term.write(data);
    show();
  }

  function show() {
    bar.value = String(cast.length === 0 ? 0 : Math.round((PLACES * place) / cast.length));
    bar.setAttribute("aria-valuetext", `${duration(place)} of ${duration(cast.length)}`);
    clock.textContent = `${duration(place)} / ${duration(cast.length)}`;
    replace(
      play,
      isPlaying
        ? [icon("stop"), "Pause"]
        : [icon("play"), place >= cast.length ? "Play again" : "Play"],
    );
  }

  function toggle() {
    isPlaying = !isPlaying;
    if (isPlaying && place >= cast.length) seek(0);
    before = performance.now();
    show();
    if (isPlaying) requestAnimationFrame(frame);
  }

  function frame(now) {
    if (!isPlaying || signal.aborted) return;
    place = Math.min(cast.length, place + (now - before) * Number(speed.value));
    before = now;
    if (place >= cast.length) isPlaying = false;
    catchUp();
    if (isPlaying) requestAnimationFrame(frame);
  }

  bindKeys(
    [
      { keys: " ", label: "Play or pause", run: toggle },
      {
        keys: "ArrowRight",
        label: "Five seconds on",
        run: () => seek(Math.min(cast.length, place + 5000)),
      },
      { keys: "ArrowLeft", label: "Five seconds back", run: () => seek(Math.max(0, place - 5000)) },
    ],
    signal,
  );
  whenLeft(signal, () => tool.dispose());
  requestAnimationFrame(() => {
    if (signal.aborted) return;
    tool.open(screen);
    seek(0);
  });
  const save = h(
    "button",
    {
      type: "button",
      onclick: () =>
        saveFile(new Blob([text], { type: "application/x-asciicast" }), `${params.id}.cast`),
    },
    icon("download"),
    "Download",
  );
  const under =
    one &&
    h(
      "div.row.under",
      h("strong", h("a", { href: `/links/${encodeURIComponent(one.target)}` }, one.target)),
      h("span.soft", `by ${one.actor}`),
      h("span.soft", timeAt(one.started)),
    );
  return h(
    "div.page",
    pageHead({
      title: "Recording",
      crumb: { href: "/recordings", label: "Recordings" },
      actions: [save],
      under,
    }),
    h(
      "section.card.flush.player",
      { "aria-label": "Player" },
      h("div.filmbox", { tabindex: "0", role: "region", "aria-label": "Screen" }, screen),
      h("div.controls", play, bar, clock, speed, h("label.choice", skips, "Leave out pauses")),
    ),
  );
}
