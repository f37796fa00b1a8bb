// Calls to the server. A server that is gone is noticed here, looked for with growing pauses, and found again.

const PAUSES = [0.3, 0.6, 1, 2, 4, 8, 10];  // seconds

/** The server refused: `message` is its sentence. */
export class Refused extends Error {
  expected = true;

  constructor(message, status, { ask = null, taken = false } = {}) {
    super(message);
    Object.assign(this, { status, ask, taken });  // ask: what the user may choose from; taken: a folder exists
  }
}

/** The server did not answer. */
export class Gone extends Error {
  expected = true;

  constructor() {
    super("The studio's server does not answer. The page goes on as soon as it does.");
  }
}

const token = new URLSearchParams(location.search).get("token");
export const session = sessionName();

function sessionName() {
  const known = /^#([0-9a-f]{32})$/.exec(location.hash)?.[1] ?? localStorage.getItem("zoo-studio-session");
  const name = known ?? newSessionName();
  localStorage.setItem("zoo-studio-session", name);
  history.replaceState(null, "", `${location.pathname}${location.search}#${name}`);
  return name;
}

export function newSessionName() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Tells `lost` (with the seconds until the next attempt) and `back`. */
export const connection = new EventTarget();
let returning = null;  // a promise while the server is gone

export const gone = () => returning !== null;

/** Wait until the server answers again. */
export const whenBack = () => returning ?? Promise.resolve();

let wake = () => {};
export const tryNow = () => wake();

function lose() {
  returning ??= (async () => {
    for (let attempt = 0; ; attempt += 1) {
      const pause = PAUSES[Math.min(attempt, PAUSES.length - 1)];
      connection.dispatchEvent(new CustomEvent("lost", { detail: { pause, attempt } }));
      await new Promise((resolve) => { wake = resolve; setTimeout(resolve, pause * 1000); });
      try {
        if ((await ask(`api/${session}/state`, {})).ok) break;
      } catch { /* still gone */ }
    }
    returning = null;
    connection.dispatchEvent(new Event("back"));
  })();
}

function ask(path, { method = "GET", json, body, headers = {}, signal, keepalive }) {
  const sent = { "X-Zoo-Studio": "1", ...headers };
  if (token) sent.Authorization = `Bearer ${token}`;
  if (json !== undefined) sent["Content-Type"] = "application/json";
  return fetch(path, { method, headers: sent, body: json === undefined ? body : JSON.stringify(json), signal, keepalive });
}

/** Call the server, and return its response; `path` is below the session unless it begins with a slash. */
export async function call(path, options = {}) {
  if (gone() && !options.keepalive) throw new Gone();
  let response;
  try {
    response = await ask(path.startsWith("/") ? path.slice(1) : `api/${session}/${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    lose();
    throw new Gone();
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  if (response.status >= 500 && !told.error) {  // of a proxy, or of a server that is being ended
    lose();
    throw new Gone();
  }
  throw new Refused(told.error ?? `The server answered ${response.status} without a reason.`, response.status, told);
}

/** Call the server, and return the JSON of its answer. */
export async function callJson(path, options) {
  return (await call(path, options)).json();
}

export const post = (path, json, more = {}) => callJson(path, { method: "POST", json, ...more });

/** Download a file of the server; a plain link could not send the headers that the server asks for. */
export async function download(path, name, options) {
  const blob = await (await call(path, options)).blob();
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  Object.assign(link, { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
