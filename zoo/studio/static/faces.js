// The gallery: pictures of seeds to choose from, with class, truncation and latent space.

import { $, attempt, h, problem, roving } from "./dom.js";
import { Lane, drawColumn } from "./lanes.js";
import { open } from "./models.js";
import { codeName, codeOf, commit, known, on, question, sameCode, state, touch } from "./store.js";

const COUNT = 24;
const SLOW_COUNT = 6;
const SLOW = 256;  // pixels: fewer pictures of larger networks
const BATCH_MS = 120;  // so that a slider never waits long for the gallery
const PAUSE = 40;  // ms
const MOST_CHOSEN = 12;
const MOST_UPLOADS = 48;
const THUMB = 64;  // pixels
const LAST_SEED = 2 ** 32 - 1;

const lane = new Lane("gallery");
let drawing = 0;  // counts the fillings of the gallery, so that an old one stops
let shown = "";
let settle = () => {};

export function startFaces() {
  settle = roving($("gallery"));
  on("model draw", refill);
  on("codes", mark);
  on("model", fields);
  on("draw model", syncFields);
  $("earlier").addEventListener("click", () => go(state.first - count()));
  $("later").addEventListener("click", () => go(state.first + count()));
  $("first-seed").addEventListener("change", (event) => go(Math.floor(event.target.valueAsNumber) || 0));
  $("choose-none").addEventListener("click", () => { state.codes = []; touch("codes"); commit(); });
  $("class").addEventListener("change", (event) => drawWith("label", event.target.value || null));
  $("truncation").addEventListener("input", (event) => { event.target.nextElementSibling.value = event.target.value; });
  $("truncation").addEventListener("change", (event) => drawWith("truncation", event.target.valueAsNumber === 1 ? null : event.target.valueAsNumber));
  $("space").addEventListener("change", (event) => attempt(() => open(state.model, event.target.value)));
}

const count = () => (known.model && Math.max(...known.model.resolution) > SLOW ? SLOW_COUNT : COUNT);

function go(first) {
  state.first = Math.min(LAST_SEED - count() + 1, Math.max(0, first));
  touch("draw");
}

function drawWith(name, value) {
  state[name] = value;
  touch("draw", "codes");
  commit();
}

function fields() {
  const { classes, spaces, truncation } = known.model;
  $("class-field").hidden = !classes.length;
  $("class").replaceChildren(h("option", { value: "" }, "drawn at random"), ...classes.map((name) => h("option", { value: name }, name)));
  $("space-field").hidden = spaces.length < 2;
  $("space").replaceChildren(...spaces.map((name) => h("option", { value: name }, name)));
  $("space").value = known.model.space;
  $("truncation-field").hidden = !truncation;
}

function syncFields() {
  $("class").value = state.label ?? "";
  $("truncation").value = state.truncation ?? 1;
  $("truncation").nextElementSibling.value = $("truncation").value;
  $("first-seed").value = state.first;
  $("earlier").disabled = state.first === 0;
}

/** Uploaded codes of the open space stand before the seeds. */
function offered() {
  const uploads = state.uploads.filter((code) => code.model === state.model && code.space === known.model.space);
  return [...uploads, ...Array.from({ length: count() }, (_, place) => ({ seed: state.first + place }))];
}

async function refill() {
  if (!known.model) return;
  const codes = offered();
  const keys = codes.map((code) => JSON.stringify([question(), codeOf(code)]));
  if (String(keys) === shown) return;
  shown = String(keys);
  drawing += 1;
  const drawn = new Map([...$("gallery").children].filter((button) => button.drawn).map((button) => [button.key, button]));
  const buttons = codes.map((code, place) => drawn.get(keys[place]) ?? Object.assign(faceButton(code), { key: keys[place] }));
  $("gallery").replaceChildren(...buttons);
  settle();
  mark();
  await fill(buttons.filter((button) => !button.drawn), drawing);
}

/** Draw the gallery batch by batch, each about as long as a slider may wait. */
async function fill(buttons, run) {
  let size = 1;
  for (let start = 0; start < buttons.length && run === drawing;) {
    await quiet(run);
    const batch = buttons.slice(start, start + size);
    const side = Math.max(...known.model.resolution) > THUMB ? THUMB * 2 : null;
    const answer = await attempt(() => new Promise((arrived, refused) => {
      lane.wish({ ...question(), codes: batch.map((button) => codeOf(button.code)), moves: [], size: side, preview: false }, arrived, refused);
    }), "gallery");
    if (!answer || run !== drawing) return;
    batch.forEach((button, place) => {
      drawColumn(button.querySelector("canvas"), answer, place);
      button.drawn = true;
    });
    answer.bitmap.close();
    start += batch.length;
    const perPicture = answer.milliseconds / batch.length;
    size = Math.min(12, 2 * size, Math.max(1, Math.floor(BATCH_MS / perPicture)));
  }
}

/** Wait until nothing large is being drawn, which comes first. */
async function quiet(run) {
  while ($("pictures").getAttribute("aria-busy") === "true" && run === drawing) await new Promise((resolve) => setTimeout(resolve, PAUSE));
}

function faceButton(code) {
  const [height, width] = known.model.resolution;
  const canvas = h("canvas", { width: Math.min(width, THUMB), height: Math.min(height, THUMB) });
  const button = h("button", { type: "button", class: "face", "aria-label": codeName(code), onclick: () => toggle(code) }, canvas, h("span", {}, code.name ?? String(code.seed)));
  button.code = code;
  return button;
}

function toggle(code) {
  const rest = state.codes.filter((one) => !sameCode(one, code));
  if (rest.length === state.codes.length && rest.length >= MOST_CHOSEN) {
    attempt(() => { throw problem(`At most ${MOST_CHOSEN} pictures move together. Put one of them back first.`); });
    return;
  }
  state.codes = rest.length < state.codes.length ? rest : [...rest, code];
  touch("codes");
  commit();
}

/** Remove a picture from those that are chosen. */
export const remove = (code) => toggle(code);

/** Choose codes that were uploaded or found, in place of the seeds that were chosen. */
export function chooseUploads(codes) {
  const ours = codes.map((code) => ({ ...code, model: state.model, space: known.model.space }));
  const rest = state.uploads.filter((old) => !ours.some((code) => sameCode(old, code)));
  state.uploads = [...ours, ...rest].slice(0, MOST_UPLOADS);
  state.codes = ours.slice(0, MOST_CHOSEN);
  touch("codes", "draw");
  commit();
}

function mark() {
  for (const button of $("gallery").children) {
    button.setAttribute("aria-pressed", String(state.codes.some((code) => sameCode(code, button.code))));
  }
}
