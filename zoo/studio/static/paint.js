// Brush, box, lasso and eraser on the pictures, by pointer and by keyboard. What is drawn is the region of all pictures.

import { $, attempt, h, say, segments } from "./dom.js";
import { maskCanvas, uploadMask } from "./regions.js";
import { known, on, state } from "./store.js";

const TOOLS = [
  ["none", "Look", "Pointers do not draw"], ["brush", "Brush", "Add to the region"], ["box", "Box", "Add a box to the region"],
  ["lasso", "Lasso", "Add an area to the region"], ["eraser", "Eraser", "Take away from the region"],
];
const TINT = "rgba(255, 140, 0, 0.45)";

let tool = "none";
let stroke = null;  // { mask, points, picture } while something is drawn
const cursor = { x: 0.5, y: 0.5, on: false };  // of the keyboard, in shares of the picture

export function startPaint() {
  segments($("draw"), "tool", TOOLS, choose)("none");
  on("codes model", arm);
  const place = $("pictures");
  place.addEventListener("pointerdown", down);
  place.addEventListener("pointermove", move);
  place.addEventListener("pointerup", up);
  place.addEventListener("pointercancel", abandon);
  place.addEventListener("keydown", key);
  place.addEventListener("focusout", () => { cursor.on = false; show(); });
}

function choose(value) {
  tool = value;
  abandon();
  $("brush-field").hidden = tool !== "brush" && tool !== "eraser";
  $("pictures").toggleAttribute("data-drawing", tool !== "none");
  arm();
}

/** Let pictures take the keyboard's focus while there is something to draw. */
function arm() {
  for (const picture of document.querySelectorAll("#pictures .picture")) {
    if (tool === "none") picture.removeAttribute("tabindex");
    else picture.tabIndex = 0;
    picture.setAttribute("aria-roledescription", tool === "none" ? "picture" : "picture to draw on");
  }
}

function pointOf(event, picture) {
  const box = picture.getBoundingClientRect();
  const [height, width] = known.model.resolution;
  return { x: (event.clientX - box.left) / box.width * width, y: (event.clientY - box.top) / box.height * height };
}

async function down(event) {
  const picture = event.target.closest(".picture");
  if (tool === "none" || !picture || event.button > 0 || stroke) return;
  event.preventDefault();
  picture.setPointerCapture(event.pointerId);
  await begin(pointOf(event, picture), picture);
}

async function begin(point, picture) {
  const own = (stroke = { mask: null, points: [point], picture });
  own.mask = await attempt(startMask, "region");
  show();
}

/** What a stroke begins with; the eraser takes away from the whole picture where there is no region yet. */
async function startMask() {
  const mask = await maskCanvas();
  if (tool === "eraser" && state.region === "all") {
    const context = mask.getContext("2d");
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, mask.width, mask.height);
  }
  return mask;
}

function move(event) {
  if (!stroke?.picture.hasPointerCapture(event.pointerId)) return;
  for (const one of event.getCoalescedEvents?.() ?? [event]) stroke.points.push(pointOf(one, stroke.picture));
  show();
}

async function up(event) {
  if (!stroke?.picture.hasPointerCapture(event.pointerId)) return;
  stroke.points.push(pointOf(event, stroke.picture));
  await end();
}

async function end() {
  const { points } = stroke;
  const mask = stroke.mask ?? await attempt(startMask, "region");
  stroke = null;
  if (!mask) return;
  draw(mask.getContext("2d"), points);
  show(mask);
  await attempt(() => uploadMask(mask), "region");
  show();
  if (known.region) say(state.region === "all" ? "The region is the whole picture." : `The region is ${$("share").textContent} of the picture.`);
}

function abandon() {
  stroke = null;
  show();
}

const radius = () => Math.max(0.5, $("brush").valueAsNumber / 200 * known.model.resolution[1]);

/** Draw what the pointer did onto a mask. */
function draw(context, points) {
  context.globalCompositeOperation = tool === "eraser" ? "destination-out" : "source-over";
  context.fillStyle = context.strokeStyle = "#ffffff";
  if (tool === "box") {
    const [[left, right], [top, bottom]] = ["x", "y"].map((axis) => span(points[0][axis], points.at(-1)[axis]));
    context.fillRect(left, top, right - left, bottom - top);
    return;
  }
  context.beginPath();
  points.forEach(({ x, y }) => context.lineTo(x, y));
  if (tool === "lasso") {
    context.closePath();
    context.fill();
  } else {
    Object.assign(context, { lineWidth: 2 * radius(), lineCap: "round", lineJoin: "round" });
    if (points.length === 1) context.lineTo(points[0].x + 0.01, points[0].y);
    context.stroke();
  }
}

/** A box holds every pixel that it touches. */
const span = (one, other) => [Math.floor(Math.min(one, other)), Math.max(Math.floor(Math.min(one, other)) + 1, Math.ceil(Math.max(one, other)))];

/** Show the region that is being drawn on every picture, and the pointer of the keyboard on its own. */
function show(finished) {
  const mask = finished instanceof HTMLCanvasElement ? finished : stroke && preview();
  for (const canvas of document.querySelectorAll("#pictures canvas.paint")) {
    const context = canvas.getContext("2d");
    const { width, height } = canvas;
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, width, height);
    if (mask) {
      context.drawImage(mask, 0, 0, width, height);
      context.globalCompositeOperation = "source-in";
      context.fillStyle = TINT;
      context.fillRect(0, 0, width, height);
    }
  }
  showCursor();
}

function preview() {
  const [height, width] = known.model.resolution;
  const canvas = h("canvas", { width, height });
  const context = canvas.getContext("2d");
  if (stroke.mask) context.drawImage(stroke.mask, 0, 0);
  if (stroke.points.length) draw(context, stroke.points);
  return canvas;
}

/** Show the pointer of the keyboard as a cross on the picture that has the focus. */
function showCursor() {
  const [height, width] = known.model?.resolution ?? [1, 1];
  const [x, y, arm] = [cursor.x * width, cursor.y * height, width / 24];
  const path = cursor.on ? `M${x - arm} ${y}L${x + arm} ${y}M${x} ${y - arm}L${x} ${y + arm}` : "";
  for (const picture of document.querySelectorAll("#pictures .picture")) {
    for (const element of picture.querySelectorAll("path.cursor")) element.setAttribute("d", picture === document.activeElement ? path : "");
  }
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Draw by keyboard: arrows move, Space begins and ends, Escape gives up. */
async function key(event) {
  const picture = event.target.closest(".picture");
  if (tool === "none" || picture !== event.target || !picture) return;
  const [height, width] = known.model.resolution;
  const here = () => ({ x: cursor.x * width, y: cursor.y * height });
  if (!STEPS[event.key] && event.key !== " " && !(event.key === "Escape" && stroke)) return;
  event.preventDefault();
  if (STEPS[event.key]) {
    const step = (event.shiftKey ? 8 : 1) * Math.max(1, width / 64);
    cursor.on = true;
    cursor.x = Math.min(1, Math.max(0, cursor.x + STEPS[event.key][0] * step / width));
    cursor.y = Math.min(1, Math.max(0, cursor.y + STEPS[event.key][1] * step / height));
    if (stroke) stroke.points.push(here());
    show();
  } else if (event.key === " ") {
    cursor.on = true;
    if (stroke) await end();
    else await begin(here(), picture);
  } else {
    abandon();
  }
}

export const drawing = () => tool !== "none" && state.model !== null;
