// What a page shows stays true without being loaded again: a task runs now, then every so often
// while the tab can be seen, and at once when it can be seen again.

// Runs `task` until `signal` is aborted. Its failures go to `failed`; they do not end it.
// Gives a function that runs it now.
export function keepFresh({ every, signal, task, failed = () => {} }) {
  let timer = 0;
  let running = null;
  let again = false;

  const run = () => {
    if (signal.aborted) return Promise.resolve();
    if (running) {
      again = true;
      return running;
    }
    clearTimeout(timer);
    running = once().finally(() => {
      running = null;
      if (again) {
        again = false;
        run();
      } else plan();
    });
    return running;
  };

  const once = async () => {
    try {
      await task();
    } catch (error) {
      if (!signal.aborted && error.name !== "AbortError") failed(error);
    }
  };

  const plan = () => {
    if (!signal.aborted && !document.hidden) timer = setTimeout(run, every);
  };

  const woken = () => {
    if (!document.hidden) run();
  };
  document.addEventListener("visibilitychange", woken, { signal });
  addEventListener("online", woken, { signal });
  addEventListener("pageshow", (event) => event.persisted && run(), { signal });
  whenLeft(signal, () => clearTimeout(timer));
  return Object.assign(run, { first: run() });
}

// Times that say "3 s ago" move on.
export function everySecond(signal, task) {
  const timer = setInterval(() => document.hidden || task(), 1000);
  whenLeft(signal, () => clearInterval(timer));
}

// Tidies up when the page is left: at once when that was before, while it was made.
export function whenLeft(signal, task) {
  if (signal.aborted) task();
  else signal.addEventListener("abort", task);
}
