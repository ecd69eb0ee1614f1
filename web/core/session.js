// Who is signed in. The token is in memory and in the tab's storage, or in the browser's when the
// user wants to stay signed in; it is never part of an address.

const KEY = "linkops.session";
const changes = new EventTarget();

// `{token, expires, life, username, role, keep}`, times in ms; null when nobody is signed in.
let current = null;

export function session() {
  return current;
}

// Takes over an answer of the login, of a refresh or of a change of password. Only the login says
// whether to keep it.
export function begin(answer, keep) {
  const expires = Date.parse(answer.expires_at);
  current = {
    token: answer.token,
    expires,
    life: expires - Date.now(),
    username: answer.user?.username ?? current?.username,
    role: answer.user?.role ?? current?.role,
    keep: keep ?? current?.keep ?? false,
  };
  store(keep !== undefined);
  changes.dispatchEvent(new Event("change"));
}

// Forgets the session. `reason` is shown on the page of the login.
export function end(reason = "") {
  current = null;
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
  changes.dispatchEvent(new CustomEvent("end", { detail: reason }));
}

// What is kept for the computer may be the session of another tab: one that is not kept takes its
// place at a login alone.
function store(isLogin) {
  const text = JSON.stringify(current);
  (current.keep ? localStorage : sessionStorage).setItem(KEY, text);
  if (current.keep) sessionStorage.removeItem(KEY);
  else if (isLogin) localStorage.removeItem(KEY);
}

// What the last page has left, if it is still good.
export function restore() {
  const found = read(sessionStorage.getItem(KEY)) ?? read(localStorage.getItem(KEY));
  current = found && found.expires > Date.now() ? found : null;
  return current;
}

function read(text) {
  try {
    const found = JSON.parse(text ?? "null");
    return typeof found?.token === "string" && typeof found.expires === "number" ? found : null;
  } catch {
    return null;
  }
}

// Whether half of the token's life is over: time for a new one.
export function isAging() {
  return current !== null && Date.now() > current.expires - current.life / 2;
}

// Each may do what those before it may.
export const ROLES = ["viewer", "operator", "admin"];

// Whether the user's role is that role, or may do more.
export function may(role) {
  return current !== null && ROLES.indexOf(current.role) >= ROLES.indexOf(role);
}

export function onSession(kind, task) {
  changes.addEventListener(kind, (event) => task(event.detail));
}

// Other tabs: a sign-out there is one here, and a new token there is good here.
addEventListener("storage", (event) => {
  if (event.key !== KEY || !current?.keep) return;
  const found = read(event.newValue);
  if (found) current = found;
  else end("You signed out in another tab.");
});
