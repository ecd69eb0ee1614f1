// What the run form holds, and the request that it makes of it.

import { selectMachines, linkFilters } from "./machines.js";

export const MOST_SCRIPTS = 10;

// The flags that are sent for a script: `chosen` is a map from a declared flag to its value, null
// for one that takes none.
export function flagsOf(chosen) {
  return [...chosen].map(([declared, value]) => {
    const { name } = splitFlag(declared);
    return value === null ? declared : `${name}=${value}`;
  });
}

// `--limit=80` is a name with a default, `--fast` a name alone.
export function splitFlag(declared) {
  const at = declared.indexOf("=");
  return at < 0
    ? { name: declared, value: null }
    : { name: declared.slice(0, at), value: declared.slice(at + 1) };
}

// The machines that have one of these tags and one of these types, as far as any were given.
export function byTraits(machines, { tags, types }) {
  if (tags.length === 0 && types.length === 0) return [];
  const fits = (one) =>
    (tags.length === 0 || one.tags.some((tag) => tags.includes(tag))) &&
    (types.length === 0 || types.includes(one.type));
  return selectMachines(machines, linkFilters).filter(fits);
}

// "1, 10%, rest" as the API wants it; throws with what is wrong.
export function parseWaves(text) {
  const words = text.split(/[\s,]+/).filter(Boolean);
  return words.map((word, at) => {
    if (word === "rest" && at === words.length - 1) return word;
    if (word === "rest") throw new Error('"rest" can only stand at the end.');
    if (/^(100|[1-9]\d?)%$/.test(word)) return word;
    if (/^[1-9]\d*$/.test(word)) return Number(word);
    throw new Error(`${word} is neither a number, nor a share like 10%, nor "rest".`);
  });
}

// "2" or "10%" as the API wants it; null when it is empty.
export function parseLimit(text) {
  const word = text.trim();
  if (word === "") return null;
  if (/^(100|\d?\d)%$/.test(word)) return word;
  if (/^\d+$/.test(word)) return Number(word);
  throw new Error(`${word} is neither a number nor a share like 10%.`);
}

// How an operation of before was to be run, as the fields of the form have it. Waves are sizes here,
// and the last one takes what is left: the machines may be others now.
export function howOf({ concurrency, on_failure, waves, max_failures }) {
  return {
    concurrency: String(concurrency),
    goesOn: on_failure === "continue",
    waves: waves ? [...waves.slice(0, -1).map((one) => one.length), "rest"].join(", ") : "",
    maxFailures: waves ? String(max_failures) : "",
  };
}

// The request; throws `{field, message}` for what is missing or wrong.
export function requestOf({ scripts, flags, targets, concurrency, goesOn, waves, maxFailures }) {
  if (scripts.length === 0) throw problem("scripts", "Choose a script.");
  if (targets.length === 0) throw problem("targets", "Choose a machine.");
  const request = { scripts, targets, on_failure: goesOn ? "continue" : "stop" };
  // Without a number the server takes the one of its configuration.
  if (concurrency !== "") request.concurrency = checked("concurrency", () => width(concurrency));
  const chosen = scripts
    .map((id) => [id, flagsOf(flags.get(id) ?? new Map())])
    .filter(([, list]) => list.length > 0);
  if (chosen.length > 0) request.flags = Object.fromEntries(chosen);
  const parts = checked("waves", () => parseWaves(waves));
  if (parts.length > 0) {
    request.waves = parts;
    const limit = checked("maxFailures", () => parseLimit(maxFailures));
    if (limit !== null) request.max_failures = limit;
  }
  return request;
}

function width(text) {
  if (!/^[1-9]\d*$/.test(text)) throw new Error("Give a whole number from 1 on.");
  return Number(text);
}

function checked(name, read) {
  try {
    return read();
  } catch (error) {
    throw problem(name, error.message);
  }
}

function problem(name, message) {
  return Object.assign(new Error(message), { field: name });
}
