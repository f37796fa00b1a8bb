// Starts the page: the parts, the keys, and what is done when the server goes and comes back.

import { resume, startAnalysis } from "./analysis.js";
import { connection, newSessionName, tryNow } from "./api.js";
import { loadResults, startDirections } from "./directions.js";
import { $, attempt, clear, h, say } from "./dom.js";
import { startFaces } from "./faces.js";
import { loadModels, openFirst, startModels } from "./models.js";
import { startPaint } from "./paint.js";
import { startPhotograph } from "./photograph.js";
import { startRegions } from "./regions.js";
import { startSaving } from "./saving.js";
import { pullCurrent } from "./sliders.js";
import { startStage, toggleBefore, toggleHeat } from "./stage.js";
import { canRedo, canUndo, keepNow, on, redo, restore, state, touch, undo } from "./store.js";
import { startUploads } from "./uploads.js";

connection.addEventListener("lost", ({ detail: { pause, attempt: tries } }) => {
  const again = h("button", { type: "button", onclick: tryNow }, "Try now");
  const when = `Attempt ${tries + 1} ${pause < 1 ? "follows at once" : `follows in ${pause} s`}.`;
  document.body.dataset.gone = "";
  if ($("gone")) {
    $("when").textContent = when;
    return;
  }
  const text = "The studio's server does not answer. The page goes on as soon as it does, and nothing is lost.";
  $("alert").append(h("p", { id: "gone", "data-key": "gone" }, h("span", {}, text), h("small", { id: "when", "aria-live": "off" }, when), again));
});

connection.addEventListener("back", () => {
  delete document.body.dataset.gone;
  clear("gone");
  say("The server answers again.");
  keepNow();
  attempt(begin, "start");
});

let begun = false;

/** Ask the server for what the page needs at first; goes on once it is back, if it was gone. */
async function begin() {
  if (begun) return;
  const [startedWith] = await Promise.all([loadModels(), restore(), loadResults()]);
  begun = true;
  touch("compare", "heat", "outline", "history");
  const wanted = startedWith === state.startedWith ? state.model ?? startedWith : startedWith ?? state.model;
  state.startedWith = startedWith;
  await openFirst(wanted);
  await resume();
}

function keys(event) {
  const typing = ["text", "number", "search"].includes(event.target.type) || event.target.tagName === "SELECT";
  const letter = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !typing && (letter === "z" || letter === "y")) {
    event.preventDefault();
    if (letter === "y" || event.shiftKey) redo();
    else undo();
  } else if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey && !document.querySelector("dialog[open]")) {
    if (letter === "b") toggleBefore();
    else if (letter === "h") toggleHeat();
  }
}

for (const start of [startModels, startFaces, startStage, startPhotograph, startRegions, startPaint, startAnalysis, startDirections, startSaving, startUploads]) start();
on("history codes moves region", () => { $("undo").disabled = !canUndo(); $("redo").disabled = !canRedo(); });
$("undo").addEventListener("click", undo);
$("redo").addEventListener("click", redo);
addEventListener("keydown", keys);
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("pictures").focus(); });
$("new-session").addEventListener("click", (event) => { event.currentTarget.href = `#${newSessionName()}`; });
$("pictures").addEventListener("wheel", (event) => {
  if (!event.ctrlKey && matchMedia("(min-width: 70rem)").matches && pullCurrent(-Math.sign(event.deltaY))) event.preventDefault();
}, { passive: false });
attempt(begin, "start");
