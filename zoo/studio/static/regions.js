// The region: its text, the chips of the regions that have names, and what the server knows of it.

import { Gone, call, connection, post } from "./api.js";
import { $, attempt, clear, h, problem, roving } from "./dom.js";
import { commit, known, on, question, state, touch } from "./store.js";

const COMMON = ["center", "left", "right", "top", "bottom"];
const FIRST = 10;  // chips; the others are shown on demand
let asked = "";
let whole = false;
let settle = () => {};

export function startRegions() {
  settle = roving($("chips"));
  on("model", () => { asked = ""; chips(); });
  on("region model", show);
  connection.addEventListener("back", show);
  $("region").addEventListener("change", (event) => setRegion(event.target.value.trim() || "all"));
  $("clear-region").addEventListener("click", () => setRegion("all"));
  $("invert").addEventListener("click", () => attempt(invert, "region"));
}

/** Take another region, by its text. */
export function setRegion(text) {
  state.region = text;
  touch("region");
  commit();
}

const terms = () => (state.region === "all" ? [] : state.region.split("+"));

function chips() {
  const named = known.model.regions.map((region) => region.name).filter((name) => name !== "all");
  const names = plainFirst([...named, ...COMMON.filter((name) => !named.includes(name))]);
  const buttons = names.map((name) => h("button", { type: "button", class: "chip", "data-name": name, onclick: () => toggle(name) }, name));
  const more = h("button", { type: "button", class: "quiet", "aria-expanded": "false", onclick: () => { whole = !whole; fold(); } });
  $("chips").replaceChildren(...buttons, more);
  whole = names.length <= FIRST + 1;
  more.hidden = whole;
  settle();
  fold();
}

/** Put names such as mouth before those that are a kind of them, such as lorelei_mouth. */
function plainFirst(names) {
  const kind = (name) => names.some((other) => name.endsWith(`_${other}`));
  return [...names.filter((name) => !kind(name)), ...names.filter(kind)];
}

/** Show the first chips, those that are pressed, and all on demand. */
function fold() {
  const [more, ...buttons] = [...$("chips").children].reverse();
  buttons.reverse().forEach((chip, place) => { chip.hidden = !whole && place >= FIRST && chip.getAttribute("aria-pressed") !== "true"; });
  more.textContent = whole ? "Fewer" : `${buttons.filter((chip) => chip.hidden).length} more`;
  more.setAttribute("aria-expanded", String(whole));
}

/** Add a named region to the union, or take it out again. */
function toggle(name) {
  const rest = terms().filter((term) => term !== name);
  setRegion((rest.length < terms().length ? rest : [...rest, name]).join("+") || "all");
}

/** Read the region at the server: its outline, mask and share. */
async function show() {
  $("region").value = state.region;
  const present = terms();
  for (const chip of $("chips").querySelectorAll(".chip")) chip.setAttribute("aria-pressed", String(present.includes(chip.dataset.name)));
  if ($("chips").children.length) fold();
  const text = `${state.model} ${state.region}`;
  if (!known.model || text === asked) return;
  asked = text;
  if (state.region === "all") {
    take({ region: "all", outline: "", share: 1, mask: null });
    return;
  }
  try {
    const found = await post("region", { ...question(), text: state.region });
    if (text === asked) take(found);
  } catch (error) {
    if (text !== asked) return;
    asked = "";
    known.region = null;
    if (!(error instanceof Gone)) attempt(() => { throw error; }, "region");
  }
}

function take(found) {
  clear("region");
  known.region = found;
  $("share").textContent = found.region === "all" ? "" : `${Math.max(0.1, Math.round(1000 * found.share) / 10)} %`;
  $("invert").disabled = $("clear-region").disabled = found.region === "all";
  touch("region-known");
}

/** Take everything but the region: by its text where that is one term, otherwise as a mask. */
async function invert() {
  const present = terms();
  if (present.length === 1) {
    setRegion(present[0].startsWith("not:") ? present[0].slice(4) : `not:${present[0]}`);
    return;
  }
  const mask = await maskCanvas();
  const context = mask.getContext("2d");
  Object.assign(context, { globalCompositeOperation: "xor", fillStyle: "#ffffff" });
  context.fillRect(0, 0, mask.width, mask.height);
  await uploadMask(mask);
}

/** Draw the region that is shown as a mask: white inside, transparent outside. */
export async function maskCanvas() {
  const [height, width] = known.model.resolution;
  const canvas = h("canvas", { width, height });
  if (!known.region?.mask) return canvas;
  const picture = h("img", { src: known.region.mask });
  await picture.decode();
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const pixels = context.getImageData(0, 0, width, height);
  for (let index = 0; index < pixels.data.length; index += 4) {
    const inside = pixels.data[index] > 127 ? 255 : 0;
    pixels.data.fill(255, index, index + 3);
    pixels.data[index + 3] = inside;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** Take a painted mask as the region. */
export async function uploadMask(mask) {
  const { width, height } = mask;
  const flat = h("canvas", { width, height });
  const context = flat.getContext("2d");
  context.fillStyle = "#000000";
  context.fillRect(0, 0, width, height);
  context.drawImage(mask, 0, 0);
  if (!context.getImageData(0, 0, width, height).data.some((value, index) => index % 4 === 0 && value > 127)) {
    if (state.region !== "all") setRegion("all");
    throw problem("The region that you drew holds no pixel. The whole picture is the region again.");
  }
  const blob = await new Promise((done) => { flat.toBlob(done, "image/png"); });
  const answer = await call("region", { method: "POST", body: blob, headers: { "Content-Type": "image/png" } });
  const found = await answer.json();
  asked = `${state.model} ${found.region}`;
  state.region = found.region;
  take(found);
  touch("region");
  commit();
}
