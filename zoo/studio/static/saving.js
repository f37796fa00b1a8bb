// Saving: what the commands write, and the commands themselves.

import { download, post } from "./api.js";
import { STARRED, ofModel } from "./directions.js";
import { $, attempt, copy, debounced, fill, h, say, sentence } from "./dom.js";
import { runJob } from "./jobs.js";
import { activeMoves, codeName, known, on, state, view } from "./store.js";

const KINDS = [
  ["edit", "The edit", "The pictures from before to after: a sheet, an animation, the codes"],
  ["run", "The analysis", "A run folder: directions, codes, sheet and report"],
  ["directions", "The directions", "One file of those with a star; of all, if none has one"],
  ["codes", "The codes", "Of the pictures as they are shown, and a sheet of them"],
  ["frame", "What is shown", "A PNG at full size, to download"],
];
const EACH = ["each", "Every picture as PNG", false];
const NPY = ["npy", "Directions as NumPy array", false];
const FILES = { edit: [["gif", "GIF animation", true], ["mp4", "MP4 video", false], EACH], run: [NPY, EACH], directions: [NPY], codes: [EACH] };

let what = null;

export function startSaving() {
  on("model codes moves results", allow);
  $("save").addEventListener("click", show);
  $("copy-command").addEventListener("click", () => attempt(copyNow));
  $("save-form").addEventListener("submit", (event) => { event.preventDefault(); save(); });
  $("save-form").addEventListener("input", () => preview());
  $("copy-shown").addEventListener("click", async () => { $("save-status").textContent = await copy($("command").textContent, $("command")); });
}

function allow() {
  const nothing = !known.model || !(state.codes.length || picks().length);
  $("save").disabled = $("copy-command").disabled = nothing;
}

/** Whether the pictures are one photograph, onto which the change can be carried. */
const photograph = () => state.codes.length === 1 && Boolean(state.codes[0].photograph);

const possible = {
  edit: () => state.codes.length > 0 && activeMoves().length > 0,
  run: () => Boolean(known.results.get(state.result)?.analyzer),
  directions: () => picks().length > 0,
  codes: () => state.codes.length > 0,
  frame: () => state.codes.length > 0,
};

function show() {
  const kinds = KINDS.filter(([name]) => possible[name]());
  if (!kinds.some(([name]) => name === what)) what = kinds[0][0];
  fill($("what"), h("legend", {}, "What"), ...kinds.map(([name, title, about]) => h("label", { class: "choice" },
    h("input", { type: "radio", name: "what", value: name, checked: name === what, onchange: () => { what = name; choose(); } }),
    h("span", {}, h("b", {}, title), h("span", { class: "hint" }, about)))));
  $("runs-folder").textContent = `under ${known.runs}/`;
  fill($("saved"));
  tell("");
  choose();
  $("save-dialog").showModal();
}

function choose() {
  const files = FILES[what] ?? [];
  $("save-files").hidden = !files.length;
  fill($("save-files"), h("legend", {}, "Also write"), ...files.map(([name, title, checked]) => h("label", { class: "check" }, h("input", { type: "checkbox", value: name, checked }), ` ${title}`)));
  $("onto-field").hidden = what !== "edit" || !photograph();
  const frame = what === "frame";
  $("name-field").hidden = $("force").parentElement.hidden = $("command").parentElement.hidden = frame;
  $("save-now").textContent = frame ? "Download" : "Save";
  $("name").value = slug(`${state.model}-${what}`);
  if (!frame) suggest($("name").value);
}

/** Take the first name that is free, unless the user has written one meanwhile. */
async function suggest(usual) {
  const kind = what;
  const { folder } = await post("command", { ...body(), name: null }).catch(() => ({}));
  if (folder && kind === what && $("name").value === usual) $("name").value = folder.split(/[\\/]/).at(-1);
  preview();
}

const slug = (text) => text.replaceAll(/[^A-Za-z0-9._-]+/g, "-").replace(/^[.-]+/, "").slice(0, 80);

/** The directions that are saved: those with a star of what is listed; all of a result that has none. */
function picks() {
  const results = state.result === STARRED ? ofModel() : [known.results.get(state.result)].filter(Boolean);
  const starred = results.map(({ id, rows }) => ({ result: id, indices: rows.filter((row) => row.starred).map((row) => row.index) })).filter(({ indices }) => indices.length);
  return starred.length ? starred : results.map(({ id }) => ({ result: id, indices: null }));
}

function body() {
  const more = { run: { result: state.result }, directions: { picks: picks() }, edit: { strengths: null, onto: photograph() && $("onto").checked } }[what] ?? {};
  const files = [...$("save-files").querySelectorAll("input:checked")].map((input) => input.value);
  return { what, name: $("name").value, force: $("force").checked, ...view(), files, ...more };
}

/** Show the command that does the same. */
const preview = debounced(async () => {
  if (what === "frame") return;
  try {
    const { command } = await post("command", body());
    $("about-command").textContent = "The command that does the same:";
    showCommand(command);
    $("copy-shown").disabled = false;
  } catch (error) {
    $("about-command").textContent = "There is no command:";
    $("command").textContent = sentence(error);
    $("copy-shown").disabled = true;
  }
}, 150);

/** Break the lines of a command between its options. */
function showCommand(text) {
  fill($("command"), ...text.split(/ (?=--|&&)/).flatMap((part, place) => [place ? " " : "", h("span", {}, part)]));
}

async function save() {
  const wanted = body();
  $("save-now").disabled = true;
  tell("Saving …");
  fill($("saved"));
  try {
    if (what === "frame") {
      await download("save", `${slug([state.model, ...state.codes.map(codeName)].join("-"))}.png`, { method: "POST", json: wanted });
      tell("Downloaded.");
      return;
    }
    const saving = runJob("Saving", $("save-progress"), () => post("save", wanted));
    $("save-progress").scrollIntoView({ block: "nearest" });
    const saved = await saving;
    tell(`Saved in ${saved.folder}.`);
    say(`Saved in ${saved.folder}.`);
    fill($("saved"), ...saved.files.map((file) => h("li", {}, h("span", {}, file.name), " ", h("button", { type: "button", "aria-label": `Download ${file.name}`, onclick: () => fetchFile(file) }, "Download"))));
  } catch (error) {
    tell(error.taken ? `${known.runs}/${wanted.name} exists. Give another name, or choose to replace it.` : sentence(error), true);
  } finally {
    $("save-now").disabled = false;
    for (const id of ["saved", "save-status"]) $(id).scrollIntoView({ block: "nearest" });
  }
}

function tell(text, failed = false) {
  $("save-status").textContent = text;
  $("save-status").classList.toggle("failed", failed);
}

async function fetchFile(file) {
  try {
    await download(file.url, file.name);
  } catch (error) {
    tell(sentence(error), true);
  }
}

/** Copy the command of what is shown: the edit, or the pictures where nothing is moved. */
async function copyNow() {
  const kind = possible.edit() ? "edit" : possible.codes() ? "codes" : "run";
  const more = kind === "edit" ? { files: ["gif"], strengths: null } : { result: state.result };
  const { command } = await post("command", { what: kind, name: null, force: false, ...view(), ...more });
  say(await copy(command), command);
}

