// A photograph beside what was found for it, and the tuning of the network to it.

import { Refused, call } from "./api.js";
import { $, attempt, brief, fill, h, warn } from "./dom.js";
import { drawColumn } from "./lanes.js";
import { open } from "./models.js";
import { known, on, state } from "./store.js";
import { tune } from "./uploads.js";

const TITLES = { picture: "Original", found: "Found", tuned: "Tuned", difference: "Difference" };
let shown = "";

export function startPhotograph() {
  on("codes model", () => attempt(show, "photograph"));
}

/** The photograph that was chosen last, of those whose codes were found here. */
const chosen = () => state.codes.findLast((code) => code.found);

async function show() {
  const code = known.model ? chosen() : null;
  const text = JSON.stringify([code?.upload, state.tuned]);
  if (shown === text) return;
  shown = text;
  $("photograph").hidden = !code && !state.tuned;
  fill($("photograph-body"), code ? figures(code) : null, code ? h("p", { class: "hint" }, about(code)) : null, offer(code));
  if (code) await draw(code);
}

const figures = ({ found }) => h("div", { class: "compared" }, ...found.shown.map((name) => h("figure", {},
  h("canvas", { role: "img", "aria-label": TITLES[name] ?? name }), h("figcaption", {}, TITLES[name] ?? name))));

const about = ({ found }) => [found.figures, found.price].filter(Boolean).map((text) => `${text[0].toUpperCase()}${text.slice(1)}.`).join(" ");

async function draw(code) {
  const bitmap = await createImageBitmap(await (await call(`compared/${code.upload}`)).blob());
  const columns = code.found.shown.length;
  document.querySelectorAll("#photograph canvas").forEach((canvas, column) => drawColumn(canvas, { bitmap, columns }, column));
  bitmap.close();
}

/** What can be done about the network: tune it, or take its own weights again. */
function offer(code) {
  if (state.tuned) {
    return h("div", { class: "row" }, h("span", {}, "The network is tuned to a photograph; all pictures are drawn by it."),
      h("button", { type: "button", id: "untune", onclick: () => attempt(() => open(state.model, state.space)) }, "Use the model's own weights"));
  }
  if (code?.found.tuned) return h("div", { class: "row" }, action("Use the tuned network", () => open(state.model, state.space, code.upload)));
  if (!code?.found.seconds) return null;
  return h("div", { class: "row" }, action("Tune the network to it", () => tune(code)), h("span", { class: "hint" },
    `This takes about ${duration(code.found.seconds)} on this computer, as one of its steps has shown, and the search once more. The network then draws the photograph nearly as it is. Other pictures change a little, and you are told how much.`));
}

const action = (text, start) => h("button", { type: "button", id: "tune", onclick: (event) => once(event.currentTarget, start) }, text);

/** Do what a button says, which cannot be pressed again until that has ended. */
async function once(button, start) {
  button.disabled = true;
  await attempt(start, "upload");
  button.disabled = false;
}

const duration = (seconds) => (seconds < 90 ? `${brief(Math.max(1, Math.round(seconds)), 2)} s` : `${brief(seconds / 60, 2)} min`);

/** Open a model with the weights that it was open with; without them, where they are gone. */
export async function openAgain() {
  try {
    await open(state.model, state.space, state.tuned);
  } catch (error) {
    if (!state.tuned || !(error instanceof Refused)) throw error;
    warn(`${error.message} The model is open with its own weights.`);
    await open(state.model, state.space);
  }
}
