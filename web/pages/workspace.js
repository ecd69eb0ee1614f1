// A workspace: up to four terminals, each on a machine; connecting all, typing into all of them at
// once, leaving and coming back.

import { get, post, put, remove } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { names, plural } from "../core/format.js";
import { layoutOf, panesOf } from "../core/layouts.js";
import { navigate, reload, replaceQuery } from "../core/router.js";
import { workspaceSocket } from "../core/socket.js";
import { confirmAct } from "../parts/dialog.js";
import { emptyBox } from "../parts/failure.js";
import { pageHead } from "../parts/head.js";
import { icon } from "../parts/icons.js";
import { failed } from "../parts/notes.js";
import { makePane } from "../parts/pane.js";
import { splitGrid } from "../parts/splits.js";
import { loadStyle } from "../parts/style.js";

const css = "asset:style/terminal.css";
// A message must not be long; what is pasted may be.
const PARTS = /[^]{1,8000}/gu;

export default async function workspace({ params, signal }) {
  const address = `/api/terminal/workspaces/${encodeURIComponent(params.id)}`;
  const [view, machines] = await Promise.all([
    get(address, {}, signal),
    get("/api/links", {}, signal),
    loadStyle(css),
  ]);
  const layout = layoutOf(view.layout);
  // The panes that hear what is typed into one of them: those that were agreed to, while they stay
  // connected.
  let hearers = [];
  let isLive = false;
  let alone = null;

  const told = h("div", { role: "status" });
  const loud = h("div.loud", { role: "status", hidden: true });
  const connectAll = h("button", { type: "button", onclick: connect }, icon("play"), "Connect all");
  const broadcast = h(
    "button",
    { type: "button", "aria-pressed": "false", onclick: toggleBroadcast },
    icon("keyboard"),
    "Type into all",
  );
  const close = h("button.danger", { type: "button", onclick: end }, "Close…");
  const head = pageHead({
    title: "Terminal",
    crumb: { href: "/terminal", label: "Sessions" },
    actions: [connectAll, layout.columns * layout.rows > 1 && broadcast, close],
  });
  const send = (message) => socket.send(message);
  const panes = await Promise.all(
    panesOf(layout).map((name) => makePane({ name, machines, send, typed, assign, zoom, signal })),
  );
  const byName = new Map(panes.map((one) => [one.name, one]));
  for (const pane of panes) {
    const { target = null, status = null, error = null } = view.panes[pane.name] ?? {};
    pane.show({ target, status, error });
  }
  const grid = splitGrid({ name: layout.id, ...layout, panes: panes.map((one) => one.element) });
  const tabs = h(
    "div.segments.panetabs",
    { role: "group", "aria-label": "Panes" },
    panes.map((one) => h("button", { type: "button", onclick: () => showTab(one.name) }, one.name)),
  );
  const page = h("div.page.workspace", head, told, loud, panes.length > 1 && tabs, grid);
  showTab("A");
  // What it brings goes to the panes, so they are first.
  const socket = workspaceSocket({ id: params.id, signal, receive, state });

  function receive(message) {
    if (message.type === "error")
      return void failed(Object.assign(new Error(message.message), { code: message.code }));
    const pane = byName.get(message.pane);
    const wait = pane?.take(message);
    if (message.type === "status") showState();
    return wait;
  }

  function state(now, error) {
    isLive = now === "live";
    if (now === "gone") {
      const text = error ? error.message : "It was closed, or nobody came back to it for too long.";
      return replace(
        told,
        emptyBox({
          title: "This session has ended",
          text,
          symbol: "terminal",
          action: h("a.button.primary", { href: "/terminal" }, "To the sessions"),
        }),
      );
    }
    replace(
      told,
      now === "lost" &&
        h(
          "div.box.hint",
          h("strong", "The connection is lost; it is taken up again by itself. The shells go on."),
        ),
    );
    if (isLive) panes.forEach((one) => one.refit());
    if (isLive && new URLSearchParams(location.search).get("connect") === "all") {
      replaceQuery("");
      connect();
    }
  }

  // What of the page depends on which panes are connected.
  function showState() {
    connectAll.disabled = !panes.some(
      (one) => one.view.target !== null && ["assigned", "disconnected"].includes(one.view.status),
    );
    const heard = hearers.filter(isConnected);
    if (heard.length < hearers.length) setHearers(heard);
    broadcast.disabled = connected().length < 2;
  }

  const isConnected = (pane) => pane.view.status === "connected";
  const connected = () => panes.filter(isConnected);

  async function connect() {
    connectAll.disabled = true;
    try {
      const { panes: results } = await post(`${address}/connect-all`, {}, signal);
      for (const [name, { connected: ok, error }] of Object.entries(results)) {
        if (!ok) byName.get(name)?.show({ status: "disconnected", error });
      }
    } catch (error) {
      if (!signal.aborted) failed(error);
    } finally {
      showState();
    }
  }

  function typed(name, data) {
    const mine = byName.get(name);
    for (const pane of hearers.includes(mine) ? hearers : [mine])
      for (const part of data.match(PARTS) ?? [])
        socket.send({ pane: pane.name, type: "stdin", data: part });
  }

  async function toggleBroadcast() {
    if (hearers.length > 0) return setHearers([]);
    const live = connected();
    const text = "Every key goes to all of these machines at the same time, until you turn it off.";
    const named = live.map((one) => one.view.target);
    if (
      await confirmAct({
        title: `Type into ${plural(live.length, "machine")} at once?`,
        text,
        named,
        act: "Type into all",
      })
    ) {
      setHearers(live.filter(isConnected));
      hearers[0]?.focus();
    }
  }

  // Fewer than two are none.
  function setHearers(list) {
    hearers = list.length < 2 ? [] : list;
    const on = hearers.length > 0;
    broadcast.setAttribute("aria-pressed", String(on));
    page.classList.toggle("broadcasts", on);
    loud.hidden = !on;
    for (const one of panes) one.element.classList.toggle("hears", hearers.includes(one));
    if (on) showLoud();
  }

  function showLoud() {
    const off = h("button", { type: "button", onclick: () => setHearers([]) }, "Turn it off");
    replace(
      loud,
      icon("jump"),
      h(
        "strong",
        `What you type goes to ${plural(hearers.length, "machine")}: ${names(hearers.map((one) => one.view.target))}`,
      ),
      h("span.grow"),
      off,
    );
  }

  async function assign(pane, target) {
    if (target === "") return;
    try {
      await put(`${address}/panes`, { panes: [{ pane, target }] });
      byName.get(pane).show({ target, status: "assigned", error: null });
    } catch (error) {
      failed(error);
    }
    showState();
  }

  // One pane in the place of all, and back.
  function zoom(name) {
    alone = alone === name ? null : name;
    grid.classList.toggle("alone", alone !== null);
    for (const one of panes) one.element.classList.toggle("only", one.name === alone);
    byName.get(name).focus();
  }

  function showTab(name) {
    panes.forEach((one, at) => {
      one.element.classList.toggle("front", one.name === name);
      tabs.children[at].setAttribute("aria-pressed", String(one.name === name));
    });
    if (page.isConnected) byName.get(name).focus();
  }

  async function end() {
    const named = panes.map((one) => one.view.target).filter(Boolean);
    const text =
      "The shells on these machines end, and what runs in them. To keep them, just leave this page.";
    if (!(await confirmAct({ title: "Close this session?", text, named, act: "Close" }))) return;
    socket.end();
    try {
      await remove(address);
      navigate("/terminal");
    } catch (error) {
      failed(error);
      reload();
    }
  }

  // Alt+Shift with a digit works inside of terminals: all other keys are theirs.
  addEventListener(
    "keydown",
    (event) => {
      const digit = /^Digit([0-4])$/.exec(event.code);
      if (!event.altKey || !event.shiftKey || !digit) return;
      event.preventDefault();
      event.stopPropagation();
      const pane = panes[Number(digit[1]) - 1];
      if (pane) (showTab(pane.name), pane.focus());
      else connectAll.parentElement.querySelector("button:not(:disabled)")?.focus();
    },
    { capture: true, signal },
  );

  // A terminal can only be opened where it is seen, to measure its letters.
  requestAnimationFrame(() => {
    if (signal.aborted) return;
    for (const pane of panes) (pane.attach(), pane.refit());
    showState();
  });
  page.append(
    h(
      "p.soft.small.hintline",
      h("kbd", "Alt"),
      " ",
      h("kbd", "Shift"),
      " ",
      h("kbd", "1"),
      "–",
      h("kbd", "4"),
      " goes to a pane, ",
      h("kbd", "0"),
      " out of them. All other keys belong to the machine.",
    ),
  );
  return page;
}
