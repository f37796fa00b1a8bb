// The question: an analysis, its options and its codes; and the job that answers it.

import { post } from "./api.js";
import { $, attempt, h, problem, say } from "./dom.js";
import { formOf } from "./forms.js";
import { runJob } from "./jobs.js";
import { codeOf, known, on, question, state, touch } from "./store.js";

const PREFERRED = "nullspace";  // it finds what changes a region and little else
let running = false;

export function startAnalysis() {
  on("model", showAnalyzers);
  on("model", showScorers);
  on("region codes", showHints);
  $("analyzer").addEventListener("change", (event) => { state.analyzer = event.target.value; showOptions(); touch("question"); });
  $("scorer").addEventListener("change", (event) => { state.scorer = event.target.value || null; showScorers(); touch("question"); });
  $("words").addEventListener("change", (event) => { state.words = event.target.value; touch("question"); });
  $("codes-from").addEventListener("change", (event) => { state.codesFrom = event.target.value; showHints(); touch("question"); });
  for (const name of ["samples", "seed"]) {
    $(name).addEventListener("change", (event) => { state[name] = Math.max(name === "samples" ? 1 : 0, Math.floor(event.target.valueAsNumber) || 0); event.target.value = state[name]; touch("question"); });
  }
  $("question").addEventListener("submit", (event) => { event.preventDefault(); attempt(find, "analysis"); });
}

const chosen = () => known.model?.analyzers.find((one) => one.name === state.analyzer);

function showAnalyzers() {
  const names = known.model.analyzers.filter((one) => !one.obstacle).map((one) => one.name);
  if (!names.includes(state.analyzer)) state.analyzer = names.includes(PREFERRED) ? PREFERRED : names[0] ?? null;
  $("analyzer").replaceChildren(...known.model.analyzers.map((one) => h("option", { value: one.name, disabled: Boolean(one.obstacle), title: one.obstacle }, one.name)));
  $("analyzer").value = state.analyzer;
  $("find").disabled = !names.length;
  showOptions();
}

function showScorers() {
  const scorers = known.model.scorers;
  if (!scorers.some((one) => one.name === state.scorer)) state.scorer = null;
  const usual = scorers.filter((one) => one.usual).map((one) => one.name).join(", ") || "pixels, as no scorer fits";
  const options = scorers.map((one) => h("option", { value: one.name, title: one.summary }, one.name));
  $("scorer").replaceChildren(h("option", { value: "" }, `the usual: ${usual}`), ...options);
  $("scorer").value = state.scorer ?? "";
  $("words").value = state.words;
  $("words-field").hidden = $("about-words").hidden = !takesWords();
  $("naming").hidden = !scorers.length;
}

const takesWords = () => Boolean(known.model.scorers.find((one) => one.name === state.scorer)?.takes_words);

function showOptions() {
  const analyzer = chosen();
  const values = (state.settings[state.analyzer] ??= {});
  const count = () => { $("options").firstElementChild.textContent = Object.keys(values).length ? `Options (${Object.keys(values).length} changed)` : "Options"; };
  $("option-fields").replaceChildren(...formOf(analyzer?.options ?? [], values, () => { count(); touch("question"); }));
  $("options").hidden = !analyzer?.options.length;
  count();
  showHints();
}

function showHints() {
  const analyzer = chosen();
  if (!analyzer) {
    $("about-analyzer").textContent = known.model ? "No analysis runs on this model." : "";
    return;
  }
  const region = !analyzer.needs_codes ? "" : state.region !== "all" ? ` It looks at the region ${regionName()}.`
    : analyzer.needs_region ? " It needs a region: choose or draw one." : " It looks at the whole picture: choose or draw a region to narrow it.";
  const summary = analyzer.summary[0].toUpperCase() + analyzer.summary.slice(1);
  $("about-analyzer").textContent = `${summary}${summary.endsWith(".") ? "" : "."}${region}`;
  $("codes-field").hidden = !analyzer.needs_codes;
  $("codes-from").value = state.codesFrom;
  $("drawn").hidden = !analyzer.needs_codes || state.codesFrom !== "drawn";
  $("samples").value = state.samples;
  $("seed").value = state.seed;
}

export const regionName = (text = state.region, drawn = "that you drew") => text.replaceAll(/mask:[^+]*/g, drawn);

async function find() {
  if (running) return;
  const analyzer = chosen();
  if (!analyzer) throw problem("Choose an analysis first.");
  if (analyzer.needs_region && state.region === "all") throw problem(`${state.analyzer} sets a region against the rest of the picture. Choose one by its name below the pictures, or draw it.`);
  const drawn = analyzer.needs_codes && state.codesFrom === "drawn";
  if (analyzer.needs_codes && !drawn && !state.codes.length) throw problem("No picture is chosen. Choose one under “Pictures”, or take newly drawn codes.");
  await follow(() => post("analyze", {
    ...question(),
    analyzer: state.analyzer,
    scorer: state.scorer,
    words: takesWords() ? state.words : null,
    settings: state.settings[state.analyzer] ?? {},
    region: state.region,
    codes: drawn || !analyzer.needs_codes ? null : state.codes.map(codeOf),
    samples: drawn ? state.samples : null,
    seed: drawn ? state.seed : null,
    layers: null,
    label: state.label,
    truncation: state.truncation,
  }));
}

/** Follow an analysis to its end, and show what it found. */
async function follow(start) {
  running = $("find").disabled = true;
  try {
    const result = await runJob("Finding directions", $("progress"), start, (id) => { state.job = id; touch("job"); });
    known.results.set(result.id, result);
    Object.assign(state, { result: result.id, current: null });
    touch("results", "moves");
    const count = result.count ?? result.rows.length;
    say(`${count} ${count === 1 ? "direction was" : "directions were"} found. Pull a slider.`);
  } finally {
    running = $("find").disabled = false;
    state.job = null;
    touch("job");
  }
}

/** Go on with an analysis that ran when the page was left. */
export async function resume() {
  if (state.job) await attempt(() => follow(state.job), "analysis");
}
