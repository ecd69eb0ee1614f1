// Calls of the API. A failure is always an ApiError with a code; also the one of a server that
// does not answer.

import { begin, end, isAging, session } from "./session.js";

export class ApiError extends Error {
  constructor({ status = 0, code, message, details = {}, requestId = "", retryAfter = 0 }) {
    super(message);
    Object.assign(this, { status, code, details, requestId, retryAfter });
  }

  // A call that this server does not have, as opposed to a thing that does not exist.
  get isMissingCall() {
    return (this.status === 404 && this.code === "NOT_FOUND") || this.code === "METHOD_NOT_ALLOWED";
  }
}

// An answer in one piece that is not there after so many ms will not come: the connection is dead.
const PATIENCE = 30_000;

// Whether the server answers: `up` and `down` events for the banner.
export const connection = new EventTarget();
let isUp = true;

function seen(up) {
  if (up === isUp) return;
  isUp = up;
  connection.dispatchEvent(new Event(up ? "up" : "down"));
}

export const get = (path, query, signal) => call("GET", path, { query, signal });
export const post = (path, body, signal) => call("POST", path, { body, signal });
export const put = (path, body) => call("PUT", path, { body });
export const patch = (path, body) => call("PATCH", path, { body });
export const remove = (path) => call("DELETE", path);

// Calls, and gives the answer's JSON (null without a body). `raw` gives the Response itself.
export async function call(method, path, { query, body, signal, headers = {}, raw = false } = {}) {
  if (isAging()) refresh();
  const hasEnd = method === "GET" && !raw;
  const ends = [signal, hasEnd && AbortSignal.timeout(PATIENCE)].filter(Boolean);
  const options = { method, headers: { ...headers }, cache: "no-store" };
  options.signal = AbortSignal.any(ends);
  const token = session()?.token;
  if (token) options.headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await reach(() => fetch(address(path, query), options));
  if (!response.ok) throw await failure(response, token);
  if (raw) return response;
  const text = await reach(() => response.text());
  return text === "" ? null : JSON.parse(text);
}

async function reach(ask) {
  try {
    const answer = await ask();
    seen(true);
    return answer;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    seen(false);
    throw new ApiError({
      code: "NO_ANSWER",
      message:
        "LinkOps does not answer\ncheck your network, and that linkopsd runs; the page tries again by itself",
    });
  }
}

function address(path, query = {}) {
  const pairs = Object.entries(query).filter(
    ([, value]) => value !== undefined && value !== null && value !== "",
  );
  const text = new URLSearchParams(pairs).toString();
  return text ? `${path}?${text}` : path;
}

async function failure(response, token) {
  const { error } = await response.json().catch(() => ({}));
  const found = new ApiError({
    status: response.status,
    code: error?.code ?? `HTTP_${response.status}`,
    message: error?.message ?? `the server answered ${response.status}`,
    details: error?.details ?? {},
    requestId: error?.request_id ?? response.headers.get("X-Request-Id") ?? "",
    retryAfter: Number(response.headers.get("Retry-After") ?? 0),
  });
  const refused = ["TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_MISSING"].includes(found.code);
  // A newer token may have come while this call was on its way.
  if (refused && token && session()?.token === token) {
    end("Your session has ended. Sign in again; you will come back to this page.");
  }
  return found;
}

let refreshing = null;

// A new token for the old one, once at a time; failing is no harm while the old one is good.
export function refresh() {
  refreshing ??= renew().finally(() => (refreshing = null));
  return refreshing;
}

async function renew() {
  const token = session().token;
  try {
    const headers = { Authorization: `Bearer ${token}` };
    const options = { method: "POST", headers, signal: AbortSignal.timeout(PATIENCE) };
    const response = await fetch("/api/auth/refresh", options);
    if (response.ok && session()?.token === token) begin(await response.json());
  } catch {
    // The next call asks again.
  }
}
