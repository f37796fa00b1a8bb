// What the page shows: one plain object, with undo, kept in this browser and at the server.

import { call, callJson, session, whenBack } from "./api.js";
import { debounced } from "./dom.js";

const KEY = `zoo-studio-state-${session}`;
const EDITED = ["codes", "moves", "region", "label", "truncation", "compare"];  // what undo takes back
const MOST_STEPS = 200;

export const state = {
  startedWith: null, model: null, options: {}, space: null,
  tuned: null,  // the upload whose photograph the weights are tuned to
  first: 0, codes: [], uploads: [], label: null, truncation: null,
  region: "all", compare: "after", heat: false, outline: true,
  analyzer: null, scorer: null, words: "", settings: {}, codesFrom: "chosen", samples: 8, seed: 0,
  result: null, current: null,
  moves: {},  // "result:index" → { strength, added, layers }
  job: null,
  saved: 0,
};

/** What is known of the open model, and of the results; neither is kept by the page. */
export const known = { model: null, models: [], results: new Map(), runs: "runs" };

const listeners = new Map();

/** Call `listener` whenever one of `topics` is touched. */
export function on(topics, listener) {
  for (const topic of topics.split(" ")) listeners.set(topic, [...(listeners.get(topic) ?? []), listener]);
}

/** Tell the listeners of topics, each once, and keep the state. */
export function touch(...topics) {
  for (const listener of new Set(topics.flatMap((topic) => listeners.get(topic) ?? []))) listener();
  keep();
}

const keep = debounced(() => { store(); send(); }, 400);

function store() {
  state.saved = Date.now();
  try {
    localStorage.setItem(KEY, JSON.stringify(state));
  } catch { /* full or forbidden: the server has it too */ }
}

async function send() {
  await whenBack();
  try {
    await call("state", { method: "PUT", json: state });
  } catch { /* sent again with the next change, and when the server is back */ }
}

/** Keep the state at once: before the page is left, and when the server is found again. */
export const keepNow = () => { store(); return send(); };
addEventListener("pagehide", () => {
  store();
  call("state", { method: "PUT", json: state, keepalive: true }).catch(() => {});
});

/** Read the newer of the two states that were kept. */
export async function restore() {
  let here = null;
  try {
    here = JSON.parse(localStorage.getItem(KEY));
  } catch { /* another program's */ }
  const there = await callJson("state").catch(() => null);
  const newest = [here, there].filter((one) => one?.saved).sort((one, other) => other.saved - one.saved)[0];
  for (const [name, value] of Object.entries(newest ?? {})) if (name in state) state[name] = value;
  past.length = 0;
  present = snapshot();
}

const past = [];
const future = [];
const snapshot = () => JSON.stringify(Object.fromEntries(EDITED.map((name) => [name, state[name]])));
let present = snapshot();

/** End a step that undo can take back. */
export function commit() {
  const now = snapshot();
  if (now === present) return;
  past.push(present);
  past.splice(0, past.length - MOST_STEPS);
  future.length = 0;
  present = now;
  touch("history");
}

/** Forget the steps, as after another model was opened. */
export function forget() {
  past.length = future.length = 0;
  present = snapshot();
  touch("history");
}

function step(from, to) {
  commit();
  if (!from.length) return false;
  to.push(present);
  present = from.pop();
  Object.assign(state, JSON.parse(present));
  touch("codes", "moves", "region", "draw", "compare", "history");
  return true;
}

export const undo = () => step(past, future);
export const redo = () => step(future, past);
export const canUndo = () => past.length > 0 || snapshot() !== present;
export const canRedo = () => future.length > 0;

export const moveKey = (result, index) => `${result}:${index}`;

/** The move of a direction, made when it is first asked for. */
export function moveOf(key) {
  return (state.moves[key] ??= { strength: 0, added: false, layers: null });
}

/** The moves that have an effect now, as the server takes them. */
export function activeMoves() {
  return Object.entries(state.moves).filter(([key, move]) => move.strength && known.results.has(key.split(":")[0])).map(([key, move]) => {
    const [result, index] = key.split(":");
    return { result, index: Number(index), strength: move.strength, layers: move.layers };
  });
}

/** A code as the server takes it. */
export function codeOf(code) {
  if (code.upload !== undefined) return { upload: code.upload, index: code.index, label: code.label ?? null };
  const drawn = { seed: code.seed };
  if (state.label !== null) drawn.label = state.label;
  if (state.truncation !== null) drawn.truncation = state.truncation;
  return drawn;
}

export const question = () => ({ model: state.model, options: state.options, space: state.space, tuned: state.tuned });

/** The pictures that are to be seen, as the server takes them. */
export function view(more = {}) {
  return { ...question(), codes: state.codes.map(codeOf), moves: activeMoves(), size: null, ...more };
}

export const sameCode = (one, other) => one.seed === other.seed && one.upload === other.upload && one.index === other.index;
export const codeName = (code) => code.name ?? `seed ${code.seed}`;
