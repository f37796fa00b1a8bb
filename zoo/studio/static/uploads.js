// Files of the user: photographs become codes, codes become pictures, directions become sliders.

import { callJson, post } from "./api.js";
import { $, attempt, choose, problem, say, unsay } from "./dom.js";
import { chooseUploads } from "./faces.js";
import { runJob } from "./jobs.js";
import { open } from "./models.js";
import { activeMoves, known, question, state, touch } from "./store.js";

const LARGEST = 64 * 2 ** 20;  // bytes, as the server has it
const OF_A_FOLDER = ["directions.safetensors", "codes.safetensors"];
const MOST = 24;  // files at a time

export function startUploads() {
  $("open-files").addEventListener("click", () => $("files").click());
  $("files").addEventListener("change", (event) => { take([...event.target.files]); event.target.value = ""; });
  addEventListener("dragover", (event) => { if (holdsFiles(event)) { event.preventDefault(); $("drop").hidden = false; } });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").hidden = true; });
  addEventListener("drop", dropped);
}

const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

async function dropped(event) {
  $("drop").hidden = true;
  if (!holdsFiles(event)) return;
  event.preventDefault();
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = entries.length ? await attempt(async () => (await Promise.all(entries.map(filesOf))).flat(), "upload") : [...event.dataTransfer.files];
  if (files) await take(files);
}

/** The files of what was dropped: of a run folder, its directions and its codes. */
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((done, failed) => { entry.file(done, failed); })];
  const reader = entry.createReader();
  const inside = await new Promise((done, failed) => { reader.readEntries(done, failed); });
  const wanted = inside.filter((one) => one.isFile && OF_A_FOLDER.includes(one.name));
  if (!wanted.length) throw problem(`${entry.name} holds neither directions.safetensors nor codes.safetensors, so it is no run folder. To open photographs, drop the files themselves.`);
  return (await Promise.all(wanted.map(filesOf))).flat();
}

async function take(files) {
  if (files.length > MOST) {
    await attempt(() => { throw problem(`These are ${files.length} files. Drop at most ${MOST} at a time.`); }, "upload");
    return;
  }
  const codes = [];
  for (const file of files) codes.push(...(await attempt(() => read(file), `upload ${file.name.replaceAll('"', "")}`) ?? []));
  if (codes.length) chooseUploads(codes);
}

/** Open one file by its content; returns the codes that it gave. */
async function read(file) {
  if (file.size > LARGEST) throw problem(`${file.name} has ${Math.round(file.size / 2 ** 20)} MB. Files of up to ${LARGEST / 2 ** 20} MB can be opened here.`);
  if (!known.model) throw problem(`Choose a model before you open ${file.name}.`);
  if (!file.size) throw problem(`${file.name} is empty.`);
  const reading = `Reading ${file.name} …`;
  say(reading);
  const found = await send(file).finally(() => unsay(reading));
  if (!found) return [];
  if (found.kind === "directions") return showDirections(found.result ?? found, file.name);
  if (found.kind === "codes") {
    say(`${file.name} holds ${found.count} ${found.count === 1 ? "code" : "codes"}.`);
    return Array.from({ length: found.count }, (_, index) => ({ upload: found.id, index, label: found.label, name: found.count > 1 ? `${stem(file.name)} ${index}` : stem(file.name) }));
  }
  return project(found.id, file.name);
}

/** Send a file; where it may be one of several things, the user is asked which. */
async function send(file, as = null) {
  const query = new URLSearchParams({ model: JSON.stringify(question()), ...(as && { as }), ...(state.label !== null && { label: state.label }) });
  const headers = { "X-Zoo-Name": encodeURIComponent(file.name), "Content-Type": "application/octet-stream" };
  try {
    return await callJson(`upload?${query}`, { method: "POST", body: file, headers });
  } catch (error) {
    if (!error.ask || as) throw error;
    const chosen = await choose(`${file.name} may hold ${error.ask.join(" or ")}. Which is it?`, error.ask);
    return chosen && send(file, chosen);
  }
}

const stem = (name) => name.replace(/\.[^.]*$/, "").slice(0, 40);

function showDirections(result, name) {
  known.results.set(result.id, result);
  state.result = result.id;
  touch("results", "moves");
  const count = result.count ?? result.rows.length;
  say(`${name} holds ${count} ${count === 1 ? "direction" : "directions"}.`);
  return [];
}

async function project(picture, name, more = {}) {
  const title = more.tune ? `Tuning the network to ${name}` : `Finding the code of ${name}`;
  const found = await runJob(title, $("jobs"), () => post("project", { ...question(), picture, label: state.label, ...more }));
  const moved = activeMoves().length ? " It is shown with the strengths that the sliders have." : "";
  say(`${name}: ${found.price ?? found.figures}.${moved}`, ...(found.notes ?? []));
  const { shown, figures, price, tuned, tuning_seconds: seconds } = found;
  return [{ upload: found.upload, index: 0, name: `${stem(name)}${tuned ? ", tuned" : ""}`, photograph: true, picture, file: name, found: { shown, figures, price, tuned, seconds } }];
}

/** Find a photograph's code once more, and tune the network at it. */
export async function tune({ picture, file }) {
  const { model, space } = state;
  const codes = await project(picture, file, { tune: true });
  if (state.model !== model || state.space !== space) return;  // another one was opened meanwhile
  await open(model, space, codes[0].upload);
  chooseUploads(codes);
}
