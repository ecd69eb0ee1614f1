// A pane of a workspace: the machine's name and state above its terminal, connecting and
// disconnecting, search, and what it says when there is no connection.

import { h, onFrame, replace } from "../core/dom.js";
import { whenLeft } from "../core/live.js";
import { icon } from "./icons.js";
import { status } from "./status.js";
import { makeTerm } from "./term.js";

// `send` takes messages for the socket, `typed(pane, data)` what was typed, `assign(pane, target)` a
// machine that was chosen, `zoom(pane)` the wish to be alone. Gives the pane.
export async function makePane({ name, machines, send, typed, assign, zoom, signal }) {
  const tool = await makeTerm();
  const { term } = tool;
  let view = { target: null, status: null, error: null };

  const state = h("span.row");
  const choice = h("select", {
    "aria-label": `Machine of pane ${name}`,
    onchange: () => assign(name, choice.value),
  });
  const link = square("Connect", "play", () => send({ pane: name, type: "connect" }));
  const cut = square("Disconnect", "close", () => send({ pane: name, type: "disconnect" }));
  const find = square("Search in this terminal", "search", () => showFinder(finder.hidden));
  const grow = square("This pane alone", "overview", () => zoom(name));
  const field = h("input", {
    type: "search",
    "aria-label": `Search in pane ${name}`,
    placeholder: "Search",
    onkeydown: seek,
  });
  const finder = h(
    "div.finder",
    { hidden: true },
    field,
    square("Match before", "up", () => tool.find(field.value, true)),
    square("Next match", "down", () => tool.find(field.value, false)),
  );
  const place = h("div.termplace");
  const over = h("div.over", { hidden: true });
  const element = h(
    "section.pane",
    { "aria-label": `Pane ${name}`, data: { pane: name } },
    h(
      "header",
      h("span.letter", { "aria-hidden": "true" }, name),
      choice,
      state,
      h("span.grow"),
      finder,
      link,
      cut,
      find,
      grow,
    ),
    h("div.termbox", place, over),
  );

  function square(label, drawing, press) {
    return h(
      "button.plain.square",
      { type: "button", "aria-label": `${label}, pane ${name}`, title: label, onclick: press },
      icon(drawing),
    );
  }

  function showFinder(on) {
    finder.hidden = !on;
    if (on) field.focus();
    else (term.clearSelection(), term.focus());
  }

  function seek(event) {
    if (event.key === "Escape") return (event.preventDefault(), showFinder(false));
    if (event.key !== "Enter") return;
    event.preventDefault();
    tool.find(field.value, event.shiftKey);
  }

  // Takes over how the server sees the pane.
  function show(next) {
    view = { ...view, ...next };
    const { status: now, target } = view;
    const free = now === null || now === "assigned" || now === "disconnected";
    const known = machines.filter((one) => one.enrolled).map((one) => one.id);
    const ids = target === null || known.includes(target) ? known : [target, ...known];
    replace(
      choice,
      h("option", { value: "" }, "Choose a machine"),
      ids.map((id) => h("option", { value: id }, id)),
    );
    choice.value = target ?? "";
    choice.disabled = !free;
    link.hidden = target === null || !free;
    cut.hidden = free;
    replace(
      state,
      target !== null &&
        now !== null &&
        status(
          now === "connecting" ? "running" : now,
          now === "connecting" ? "Connecting" : now === "assigned" ? "Not connected" : undefined,
        ),
    );
    element.dataset.state = now ?? "empty";
    showOver(free);
  }

  function showOver(free) {
    over.hidden = !free;
    if (!free) return;
    const { target, error } = view;
    const act =
      target !== null &&
      h(
        "button.primary",
        { type: "button", onclick: () => send({ pane: name, type: "connect" }) },
        `Connect to ${target}`,
      );
    replace(
      over,
      error && h("p.status-text", error),
      target === null ? h("p.soft", "Choose a machine above.") : act,
    );
  }

  const STATUS = {
    connecting: () => show({ status: "connecting", error: null }),
    connected: () => (show({ status: "connected", error: null }), tool.after(refit)),
    disconnected: () => show({ status: "disconnected" }),
  };

  // A message of the socket for this pane.
  function take(message) {
    switch (message.type) {
      case "stdout":
        return tool.write(message.data);
      case "snapshot":
        tool.after(() => (term.reset(), quietly(() => term.resize(message.cols, message.rows))));
        return tool.write(message.data);
      case "resize":
        return tool.after(() => quietly(() => term.resize(message.cols, message.rows)));
      case "status":
        if (message.data.startsWith("error: "))
          return show({ status: "disconnected", error: message.data.slice(7) });
        return STATUS[message.data]?.();
      default:
        return undefined;
    }
  }

  let isQuiet = false;
  function quietly(act) {
    isQuiet = true;
    act();
    isQuiet = false;
  }

  let told = 0;
  term.onResize(({ cols, rows }) => {
    if (isQuiet) return;
    clearTimeout(told);
    told = setTimeout(
      () => view.target !== null && send({ pane: name, type: "resize", cols, rows }),
      60,
    );
  });
  term.onData((data) => typed(name, data));

  // The size that the window gives; the server is told even when it is the same as before. Before a
  // connection it is the size of the shell that comes.
  function refit() {
    if (!place.isConnected || place.clientWidth === 0) return;
    tool.fit.fit();
    clearTimeout(told);
    if (view.target !== null)
      send({ pane: name, type: "resize", cols: term.cols, rows: term.rows });
  }

  const observer = new ResizeObserver(
    onFrame(() => place.isConnected && place.clientWidth > 0 && tool.fit.fit()),
  );
  observer.observe(place);
  whenLeft(signal, () => (observer.disconnect(), tool.dispose()));
  return {
    name,
    element,
    term,
    show,
    take,
    refit,
    attach: () => tool.open(place),
    get view() {
      return view;
    },
    find: () => showFinder(true),
    focus: () => term.focus(),
  };
}
