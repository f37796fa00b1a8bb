// The models: a dialog to choose one, with its licence before it is opened.

import { callJson, post } from "./api.js";
import { $, attempt, clearAll, fill, h, roving, say } from "./dom.js";
import { runJob } from "./jobs.js";
import { openAgain } from "./photograph.js";
import { forget, known, on, state, touch } from "./store.js";

const FACES_AT_FIRST = 4;
const FAST = 128;  // pixels: larger networks begin with a single picture
const HERE = ["in zoo", "downloaded", "on this computer"];

let agreed = new Set();  // models whose licence the user has seen, in this browser
let settle = () => {};

export function startModels() {
  try {
    agreed = new Set(JSON.parse(localStorage.getItem("zoo-studio-licences") ?? "[]"));
  } catch { /* another program's */ }
  for (const id of ["choose-model", "begin"]) $(id).addEventListener("click", () => showDialog());
  settle = roving($("model-list"));
  $("model-search").addEventListener("input", list);
  $("model-search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();  // or it would press the button that gets the focus
    first()?.click();
  });
  on("model", showModel);
}

/** Read the list of models; returns the name of the one that the server was started with, or null. */
export async function loadModels() {
  const found = await callJson("/api/models");
  known.models = found.models;
  known.runs = found.runs ?? "runs";
  $("about-server").textContent = ["zoo studio", found.version, found.device].filter(Boolean).join(" · ");
  return found.started_with;
}

/** Open the model that is wanted, or ask for one. */
export async function openFirst(wanted) {
  const card = known.models.find((one) => one.name === wanted);
  if (card && (agreed.has(seenAs(card)) || !card.licence?.text)) return card.name === state.model ? openAgain() : open(card.name);
  showDialog(card);
  return undefined;
}

const seenAs = (card) => `${card.name} ${card.licence?.name ?? ""}`;

const first = () => $("model-list").querySelector("button");

/** Show the list, with a model that is offered; by itself the one that is open. */
function showDialog(card = known.models.find((one) => one.name === state.model)) {
  list();
  $("models").showModal();
  if (card) {
    const button = [...$("model-list").querySelectorAll("button")].find((one) => one.dataset.name === card.name);
    if (button) choose(button, card);
  } else if (!matchMedia("(pointer: coarse)").matches) {
    $("model-search").focus();
  }
}

function list() {
  const words = $("model-search").value.toLowerCase().split(/\s+/);
  const fits = (card) => words.every((word) => `${card.name} ${card.family} ${card.summary} ${card.resolution}`.toLowerCase().includes(word));
  const cards = known.models.filter(fits);
  const here = cards.filter((card) => HERE.includes(card.where));
  fill($("model-list"), ...group("On this computer", here), ...group("Not on this computer", cards.filter((card) => !here.includes(card))),
    cards.length ? null : h("p", { class: "hint" }, "No model has these words."));
  settle();
}

const group = (title, cards) => (cards.length ? [h("h3", {}, title), h("ul", {}, ...cards.map((card) => h("li", {},
  h("button", { type: "button", "data-name": card.name, "aria-pressed": "false", onclick: (event) => choose(event.currentTarget, card) },
    h("b", {}, card.name), h("span", { class: "soft" }, `${card.pixels} · ${card.where}`), h("span", {}, card.summary)))))] : []);

/** Show a model's licence; Enter opens it. */
function choose(chosen, card) {
  for (const button of $("model-list").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button === chosen));
  chosen.scrollIntoView({ block: "nearest" });
  about(card);
  $("model-about").querySelector("button").focus();
}

function about(card) {
  const { name, text, url } = card.licence ?? {};
  const start = h("button", { type: "button", class: "main", onclick: () => { agree(card); attempt(() => openChosen(card)); } }, "Open");
  fill($("model-about"),
    h("h3", {}, card.name),
    h("p", {}, card.summary),
    h("dl", {},
      row("Architecture", card.family), row("Pictures", card.pixels), row("Weights", card.where), row("Licence", name ?? "not known")),
    text ? h("p", { class: "licence" }, text) : null,
    url && /^https?:/.test(url) ? h("p", {}, h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, "Read the licence")) : null,
    h("p", { class: "hint" }, "With “Open” you accept this licence."),
    start);
}

const row = (title, value) => h("div", {}, h("dt", {}, title), h("dd", {}, String(value)));

function agree(card) {
  agreed.add(seenAs(card));
  try {
    localStorage.setItem("zoo-studio-licences", JSON.stringify([...agreed]));
  } catch { /* asked again next time */ }
  $("models").close();
}

async function openChosen(card) {
  await open(card.name);
  if (document.activeElement === document.body) $("gallery").querySelector("button")?.focus({ preventScroll: true });
}

/** Open a model: download it if it is not there, and show its first pictures. */
export async function open(name, space = null, tuned = null) {
  clearAll();
  const other = name !== state.model || space !== state.space;
  const body = { model: name, options: name === state.model ? state.options : {}, space, tuned };
  const model = await runJob(`Opening ${name}`, $("jobs"), () => post("open", body));
  known.model = model;
  if (other) startAfresh(model, name);
  Object.assign(state, { space, tuned });
  touch("model", "codes", "moves", "region", "draw");
  say(`${name} is open.`);
}

function startAfresh(model, name) {
  const another = name !== state.model;
  Object.assign(state, { model: name, moves: {}, current: null });
  if (another) {
    const count = Math.max(...model.resolution) <= FAST ? FACES_AT_FIRST : 1;
    const seeds = Array.from({ length: count }, (_, seed) => ({ seed }));
    Object.assign(state, { options: {}, codes: seeds, first: 0, label: null, truncation: null, region: "all", analyzer: null, result: null });
  } else {
    state.codes = state.codes.filter((code) => code.upload === undefined);
  }
  forget();
}

function showModel() {
  const card = known.models.find((one) => one.name === state.model);
  $("choose-model").textContent = state.model ?? "Choose a model";
  $("about-model").textContent = card ? `Licence: ${card.licence?.name ?? "not known"}. ${card.summary}` : "";
  $("studio").toggleAttribute("data-empty", !known.model);
  document.title = state.model ? `${state.model} · zoo studio` : "zoo studio";
}
