// What was found: results of the session, and a slider for each direction.

import { call, callJson } from "./api.js";
import { $, attempt, copy, fill, h, say } from "./dom.js";
import { regionName } from "./analysis.js";
import { sliderRow, syncRow } from "./sliders.js";
import { commit, known, moveKey, on, state, touch } from "./store.js";

const FIRST = 8;  // rows; the others are shown on demand
export const STARRED = "starred";  // stands for the starred directions of all results
let whole = false;

export function startDirections() {
  on("model results", show);
  on("moves", sync);
}

/** Read the results of the session, which the server keeps on disk. */
export async function loadResults() {
  const { results } = await callJson("results");
  known.results = new Map(results.map((result) => [result.id, result]));
}

export const ofModel = () => [...known.results.values()].filter((result) => result.model === state.model && (!result.space || result.space === known.model?.space));
const titleOf = (result) => [result.title ?? result.analyzer ?? result.id, result.region && result.region !== "all" ? regionName(result.region, "drawn region") : null].filter(Boolean).join(" · ");

/** The directions that are listed: those of one result, or the starred ones of all. */
function listed() {
  if (state.result === STARRED) return ofModel().flatMap((result) => result.rows.filter((row) => row.starred).map((row) => ({ result, row })));
  const result = known.results.get(state.result);
  return result ? result.rows.map((row) => ({ result, row })) : [];
}

function show() {
  const results = ofModel();
  const starred = results.flatMap((result) => result.rows).filter((row) => row.starred).length;
  const ids = results.map((result) => result.id);
  if (!ids.includes(state.result) && !(state.result === STARRED && starred)) state.result = ids.at(-1) ?? null;
  if (!results.length) {
    fill($("directions"), known.model ? h("p", { class: "hint" }, "Nothing was found yet. Choose a region, then “Find directions”.") : null);
    return;
  }
  const select = h("select", { onchange: (event) => choose(event.target.value) },
    ...results.map((result) => h("option", { value: result.id }, `${titleOf(result)} · ${result.count ?? result.rows.length}`)),
    starred ? h("option", { value: STARRED }, `★ Starred · ${starred}`) : "");
  select.value = state.result;
  const all = listed();
  const rows = whole ? all : all.slice(0, FIRST);
  const more = all.length > rows.length
    ? h("button", { type: "button", onclick: () => { whole = true; show(); } }, `Show ${all.length - rows.length} more`) : null;
  fill($("directions"), h("div", { class: "row" }, h("label", { class: "inline wide" }, "Found ", select), resultButtons()),
    notes(), h("ol", { class: "directions" }, ...rows.map(({ result, row }) => sliderRow(result, row, { patch, several: state.result === STARRED ? titleOf(result) : null }))), more,
    h("div", { class: "row" }, h("button", { type: "button", onclick: reset }, "All to 0")));
  sync();
}

function notes() {
  const found = known.results.get(state.result)?.notes ?? [];
  return found.length ? h("ul", { class: "notes" }, ...found.map((note) => h("li", {}, note))) : null;
}

function resultButtons() {
  const result = known.results.get(state.result);
  if (!result) return null;
  const command = result.command
    ? h("button", { type: "button", title: result.command, onclick: () => attempt(async () => say(await copy(result.command), result.command)) }, "Copy its command") : null;
  const drop = h("button", { type: "button", onclick: () => attempt(() => forgetResult(result)) }, "Remove");
  return h("span", { class: "row" }, command ?? "", drop);
}

async function forgetResult(result) {
  await call(`results/${result.id}`, { method: "DELETE" });
  known.results.delete(result.id);
  for (const key of Object.keys(state.moves)) if (key.startsWith(`${result.id}:`)) delete state.moves[key];
  touch("results", "moves");
  say(`${titleOf(result)} was removed from the page. What is saved stays.`);
}

function choose(id) {
  Object.assign(state, { result: id });
  whole = false;
  touch("results");
}

function reset() {
  for (const move of Object.values(state.moves)) move.strength = 0;
  touch("moves");
  commit();
}

function sync() {
  for (const row of $("directions").querySelectorAll("li.direction")) syncRow(row);
}

/** Change a name or a star at the server; the page shows it at once. */
async function patch(result, row, change) {
  const old = { given: row.given, starred: row.starred };
  Object.assign(row, change);
  const done = await attempt(() => call(`results/${result.id}`, { method: "PATCH", json: { index: row.index, ...change } }), "results");
  if (!done) Object.assign(row, old);
  const focused = document.activeElement?.dataset?.part;
  touch("results");
  if (focused) $("directions").querySelector(`li[data-key="${moveKey(result.id, row.index)}"] [data-part="${focused}"]`)?.focus();
}
