// Numbers, times and sizes as people read them.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

// A duration in ms: "850 ms", "4.2 s", "3 min 05 s", "2 h 10 min", "3 d 4 h".
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR)
    return `${Math.floor(ms / MINUTE)} min ${pad(Math.floor((ms % MINUTE) / SECOND))} s`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${pad(Math.floor((ms % HOUR) / MINUTE))} min`;
  return `${Math.floor(ms / DAY)} d ${Math.floor((ms % DAY) / HOUR)} h`;
}

// How long ago, or in how long; `now` for what is less than five seconds away.
export function ago(time, now = Date.now()) {
  if (time === null || time === undefined) return "never";
  const past = now - time;
  const size = Math.abs(past);
  const words = (count, unit) => (past >= 0 ? `${count} ${unit} ago` : `in ${count} ${unit}`);
  if (size < 5 * SECOND) return "now";
  if (size < MINUTE) return words(Math.floor(size / SECOND), "s");
  if (size < HOUR) return words(Math.floor(size / MINUTE), "min");
  if (size < DAY) return words(Math.floor(size / HOUR), "h");
  return words(Math.floor(size / DAY), "d");
}

// The time of day today, with the date on other days, in the browser's zone.
export function moment(time, now = Date.now()) {
  if (time === null || time === undefined) return "–";
  const at = new Date(time);
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  const clock = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  return new Date(now).toDateString() === at.toDateString() ? clock : `${day} ${clock}`;
}

export function pad(number) {
  return String(number).padStart(2, "0");
}

// "1,024", "3 B", "4.0 KiB", "1.2 MiB".
export function count(number) {
  return String(number).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

export function bytes(number) {
  if (number < 1024) return `${number} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let size = number / 1024;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size.toFixed(size < 10 ? 1 : 0)} ${units[unit]}`;
}

// "1 machine", "3 machines".
export function plural(number, word, many = `${word}s`) {
  return `${count(number)} ${number === 1 ? word : many}`;
}

// "a, b and c"; the rest as a number when there are more than `most`.
export function names(list, most = 8) {
  if (list.length <= 1) return list.join("");
  if (list.length > most) return `${list.slice(0, most).join(", ")} and ${list.length - most} more`;
  return `${list.slice(0, -1).join(", ")} and ${list[list.length - 1]}`;
}
