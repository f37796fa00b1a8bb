// The large pictures: all chosen codes move together, with what was before, and with the heat map of the change.

import { $, attempt, brief, clear, h, segments, sentence, svg, warn } from "./dom.js";
import { remove } from "./faces.js";
import { Lane, drawColumn } from "./lanes.js";
import { activeMoves, codeName, codeOf, commit, known, on, question, state, touch, view } from "./store.js";

const ATLAS_LIMIT = 256;  // pixels: of larger networks, no more is asked for than is shown
const GAP = 12;  // between pictures, in CSS pixels
const CAPTION = 30;
const SMALL = 96;  // pixels: captions leave a word out
const NEARLY = 0.85;  // of the largest size, where no place stays empty

const after = { lane: new Lane("main"), answer: null, shown: "" };
const before = { lane: new Lane("before"), answer: null, shown: "" };
const heat = { lane: new Lane("heat", "heat"), asked: "" };
let dragging = false;
let side = 256;
let split = 0.5;
let showCompare = () => {};

export function startStage() {
  showCompare = segments($("compare"), "compare", [["after", "After", ""], ["before", "Before", "B"], ["split", "Split", "Before on the left, after on the right"]],
    (value) => { state.compare = value; touch("compare"); commit(); });
  on("codes model", build);
  on("codes moves model draw", ask);
  on("compare", () => { showCompare(state.compare); askBefore(); paint(); });
  on("heat region-known", () => { heat.asked = ""; askHeat(); });
  on("outline region-known", showOutline);
  $("heat").addEventListener("change", (event) => { state.heat = event.target.checked; touch("heat"); });
  $("outline").addEventListener("change", (event) => { state.outline = event.target.checked; touch("outline"); });
  $("pictures").addEventListener("pointermove", moveSplit);
  new ResizeObserver(measure).observe($("pictures"));
}

/** Pictures may be previews from now on, until `release`. */
export function drag() {
  dragging = true;
  $("pictures").toggleAttribute("data-dragging", true);
}

/** The strength was let go: ask for exact pictures. */
export function release() {
  if (!dragging) return;
  dragging = false;
  $("pictures").toggleAttribute("data-dragging", false);
  ask();
}

export const toggleBefore = () => { state.compare = state.compare === "before" ? "after" : "before"; touch("compare"); };
export const toggleHeat = () => { state.heat = !state.heat; touch("heat"); };

function build() {
  const old = new Map([...$("pictures").children].map((figure) => [figure.dataset.code, figure]));
  const [height, width] = known.model?.resolution ?? [1, 1];
  const figures = state.codes.map((code) => {
    const key = `${state.model} ${JSON.stringify(codeOf(code))}`;
    return old.get(key) ?? figureOf(code, key, width, height);
  });
  $("pictures").replaceChildren(...figures);
  $("stage-note").textContent = figures.length || !known.model ? "" : "No picture is chosen. Choose one under “Pictures”.";
  showOutline();
  measure();
}

function figureOf(code, key, width, height) {
  const name = codeName(code);
  const take = h("button", { type: "button", class: "remove", "aria-label": `Put ${name} back`, title: "Put back", onclick: () => remove(code) }, "×");
  return h("figure", { "data-code": key },
    h("div", { class: "picture", role: "img", "aria-label": name },
      h("canvas", { class: "live", width, height }),
      h("canvas", { class: "change", hidden: true }),
      svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, svg("path", { class: "outline halo" }), svg("path", { class: "outline" }), svg("path", { class: "cut" }), svg("path", { class: "cursor halo" }), svg("path", { class: "cursor" })),
      h("canvas", { class: "paint", width, height })),
    h("figcaption", {}, h("span", {}, code.name ?? h("span", { class: "word" }, "seed "), code.name ? null : String(code.seed)), take));
}

/** Make the pictures as large as their place allows. */
function measure() {
  const place = $("pictures");
  const count = state.codes.length || 1;
  const style = getComputedStyle(place);
  const width = place.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const height = Math.max(120, parseFloat(style.getPropertyValue("--height")) * innerHeight / 100 || place.clientHeight);
  const layouts = Array.from({ length: count }, (_, index) => index + 1).map((columns) => {
    const rows = Math.ceil(count / columns);
    return { columns, empty: rows * columns - count, size: Math.min((width - GAP * (columns - 1)) / columns, height / rows - CAPTION) };
  });
  const largest = Math.max(...layouts.map(({ size }) => size));
  const { columns, size } = layouts.filter((one) => one.size >= NEARLY * largest).sort((one, other) => one.empty - other.empty)[0];
  const best = Math.floor(Math.max(64, size));
  place.toggleAttribute("data-small", best < SMALL);
  place.style.setProperty("--columns", Math.max(1, Math.min(columns, Math.floor((width + GAP) / (best + GAP)))));
  if (best === side) return;
  const grown = neededSize(best) !== neededSize(side);
  side = best;
  place.style.setProperty("--side", `${side}px`);
  if (grown) ask();
}

/** The side of a picture to ask for: null is the network's own. */
function neededSize(shown) {
  const own = Math.max(...(known.model?.resolution ?? [0]));
  if (own <= ATLAS_LIMIT) return null;
  const wanted = 2 ** Math.ceil(Math.log2(shown * devicePixelRatio));
  return wanted >= own ? null : wanted;
}

function ask() {
  if (!known.model || !state.codes.length) {
    after.lane.drop();
    busy(false);
    return;
  }
  askAfter();
  askBefore();
  if (!dragging) askHeat();
}

function askAfter() {
  const body = view({ size: neededSize(side) });
  const text = JSON.stringify(body);
  if (after.shown === text && after.answer?.exact && after.lane.idle) {
    busy(dragging);
    return;
  }
  const codes = codesText();
  busy(true);
  after.lane.wish({ ...body, preview: dragging }, (answer) => {
    if (codes !== codesText()) return;
    clear("render");
    after.answer?.bitmap.close();
    Object.assign(after, { answer, shown: text });
    $("exactness").hidden = answer.exact;
    busy(dragging || !answer.exact || after.lane.waiting);
    paint();
    $("pictures").dispatchEvent(new CustomEvent("shown", { detail: { moves: body.moves, exact: answer.exact } }));
    if (!answer.exact && !dragging && !after.lane.waiting) askAfter();
  }, failed);
}

const busy = (state) => $("pictures").setAttribute("aria-busy", String(state));
const codesText = () => JSON.stringify([question(), state.codes.map(codeOf)]);

function askBefore() {
  if (!known.model || !state.codes.length || state.compare === "after") return;
  const body = view({ moves: [], size: neededSize(side) });
  const text = JSON.stringify(body);
  if (before.shown === text) return;
  before.shown = text;
  before.lane.wish(body, (answer) => { before.answer?.bitmap.close(); before.answer = answer; paint(); }, (error) => { before.shown = ""; failed(error); });
}

function failed(error) {
  warn(sentence(error), "render");
}

function paint() {
  const canvases = document.querySelectorAll("#pictures canvas.live");
  const shown = state.compare === "before" ? before.answer : after.answer;
  if (!shown || shown.columns !== canvases.length) return;
  showCut();
  canvases.forEach((canvas, column) => {
    drawColumn(canvas, shown, column);
    if (state.compare === "split" && before.answer?.columns === canvases.length) drawLeft(canvas, column);
  });
}

function drawLeft(canvas, column) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const edge = Math.round(split * width);
  const from = before.answer.bitmap;
  const columnWidth = from.width / before.answer.columns;
  if (edge > 0) context.drawImage(from, column * columnWidth, 0, split * columnWidth, from.height, 0, 0, edge, height);
}

/** Mark where before ends and after begins. */
function showCut() {
  const [height, width] = known.model?.resolution ?? [1, 1];
  const x = Math.round(split * width);
  const path = state.compare === "split" ? `M${x} 0L${x} ${height}` : "";
  for (const element of document.querySelectorAll("#pictures path.cut")) element.setAttribute("d", path);
}

function moveSplit(event) {
  const picture = event.target.closest(".picture");
  if (state.compare !== "split" || !picture) return;
  const box = picture.getBoundingClientRect();
  split = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  paint();
}

function showOutline() {
  const path = state.outline ? known.region?.outline ?? "" : "";
  $("outline").checked = state.outline;
  for (const element of document.querySelectorAll("#pictures path.outline")) element.setAttribute("d", path);
}

async function askHeat() {
  $("heat").checked = state.heat;
  const canvases = [...document.querySelectorAll("#pictures canvas.change")];
  const moves = activeMoves();
  const wanted = state.heat && moves.length > 0;
  if (!wanted) {
    canvases.forEach((canvas) => { canvas.hidden = true; });
    heat.asked = "";
    $("stage-note").textContent = state.heat && known.model ? "It shows the change once a slider is pulled." : "";
    return;
  }
  const text = JSON.stringify([view(), state.region]);
  if (heat.asked === text) return;
  heat.asked = text;
  const figures = [];
  for (const [column, code] of state.codes.entries()) {
    const answer = await attempt(() => heatOf(code, moves), "heat");
    if (!answer || heat.asked !== text) return;
    drawColumn(canvases[column], answer, 0);
    answer.bitmap.close();
    canvases[column].hidden = false;
    figures.push(answer);
  }
  tellHeat(figures);
}

function heatOf(code, moves) {
  const region = state.region === "all" ? null : state.region;
  return new Promise((shown, refused) => {
    heat.lane.wish({ ...question(), codes: [codeOf(code)], moves, size: null, preview: false, region }, shown, refused);
  });
}

function tellHeat(answers) {
  const top = Math.max(...answers.map((answer) => answer.top));
  const inside = answers.map((answer) => answer.inside).filter((share) => !Number.isNaN(share));
  const mean = inside.reduce((sum, share) => sum + share, 0) / inside.length;
  const parts = [Number.isNaN(top) ? "" : `largest squared change ${brief(top)}`, inside.length ? `${Math.round(100 * mean)} % inside the region` : ""];
  $("stage-note").textContent = parts.filter(Boolean).join("; ");
}
