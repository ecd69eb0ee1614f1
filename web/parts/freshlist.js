// A list that is asked for again and again, and taking things out of it.

import { remove } from "../core/api.js";
import { h, replace } from "../core/dom.js";
import { keepFresh } from "../core/live.js";
import { confirmAct } from "./dialog.js";
import { failureBox } from "./failure.js";
import { done, failed } from "./notes.js";

// Shows in `table` what `load` gives, as far as `pick` takes it; `none(rows)`, if any, stands in the
// place of no rows. Gives `{element, rows, show(), fresh()}`.
export function freshList({ every, signal, table, load, pick = (rows) => rows, none }) {
  const element = h("div.stack");
  const list = { element, rows: null, show, fresh: null };

  function show() {
    if (list.rows === null) return;
    const shown = pick(list.rows);
    if (shown.length === 0 && none) return replace(element, none(list.rows));
    if (table.element.parentNode !== element) element.replaceChildren(table.element);
    table.show(shown);
  }

  list.fresh = keepFresh({
    every,
    signal,
    async task() {
      list.rows = await load();
      show();
    },
    failed: (error) =>
      list.rows === null &&
      replace(
        element,
        failureBox(error, () => list.fresh()),
      ),
  });
  return list;
}

// Asks with `question` (see `confirmAct`), removes what is at `path`, and says so.
export async function removeAsked({ path, told, fresh, ...question }) {
  if (!(await confirmAct(question))) return;
  try {
    await remove(path);
    if (told) done(told);
  } catch (error) {
    failed(error);
  }
  fresh();
}
