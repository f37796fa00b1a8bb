// One direction: its name, star, strength, layers, and whether it is added to others.

import { brief, debounced, h, say } from "./dom.js";
import { drag, release } from "./stage.js";
import { commit, known, moveKey, moveOf, state, touch } from "./store.js";

const USUAL_STEP = 3;  // where nothing says how far a direction is to be moved
const REACH = 2;  // steps to either side
const NOTCHES = 40;  // of a slider, by arrow keys and wheel
const FASTER = 10;  // with Shift
const DIGITS = 3;  // of a strength: as many as are shown, so that commands say what is seen
const FIGURES = "Score: the analysis's own measure. Locality: how many times more the region changes than the rest, with a 95 % interval. Repeats: the direction that changes pictures alike.";
const SETTLED = 200;  // ms without a key or a notch of the wheel

const settle = debounced(() => { release(); commit(); }, SETTLED);

export const nameOf = (row) => row.given ?? row.name ?? `direction ${row.index}`;

/** Make the row of a direction. */
export function sliderRow(result, row, { patch, several }) {
  const key = moveKey(result.id, row.index);
  const reach = brief(REACH * (row.step || USUAL_STEP), 2);
  const label = nameOf(row);
  const slider = h("input", { type: "range", min: -reach, max: reach, step: "any", value: 0, "aria-label": `Strength of ${label}`, "data-part": "slider" });
  const number = h("input", { type: "number", step: "any", value: 0, "aria-label": `Strength of ${label}, as a number`, "data-part": "number" });
  const name = h("span", { class: "name", title: "Double click or F2 renames" }, label);
  const star = h("button", { type: "button", class: "star", "aria-pressed": String(Boolean(row.starred)), "aria-label": `Star ${label}`, title: "Star (S)", "data-part": "star" }, row.starred ? "★" : "☆");
  const added = h("input", { type: "checkbox", "data-part": "added" });
  const rename = h("button", { type: "button", class: "quiet", "data-part": "rename", "aria-label": `Rename ${label}` }, "Rename");
  const item = h("li", { class: "direction", "data-key": key },
    h("div", { class: "head" }, star, name, rename),
    h("div", { class: "pull" }, slider, number),
    h("div", { class: "more" }, h("label", { class: "check", title: "It stays while you pull others" }, added, " Keep"), layers(key, row), h("span", { class: "soft", title: FIGURES }, figures(row, several))));
  const edit = () => renameIn(name, row, (given) => patch(result, row, { given }));
  slider.addEventListener("input", () => { drag(); pull(key, slider.valueAsNumber); });
  slider.addEventListener("change", () => { release(); commit(); });
  slider.addEventListener("wheel", (event) => wheel(event, key, slider), { passive: false });
  slider.addEventListener("keydown", (event) => arrows(event, key, slider));
  slider.addEventListener("dblclick", () => notch(key, 0));
  number.addEventListener("focus", () => number.select());
  number.addEventListener("change", () => { pull(key, number.valueAsNumber || 0); number.value = brief(moveOf(key).strength); commit(); });
  name.addEventListener("dblclick", edit);
  rename.addEventListener("click", edit);
  star.addEventListener("click", () => patch(result, row, { starred: !row.starred }));
  added.addEventListener("change", () => { moveOf(key).added = added.checked; touch("moves"); commit(); });
  item.addEventListener("keydown", (event) => {
    if (event.key === "F2") { event.preventDefault(); edit(); }
    else if (event.key.toLowerCase() === "s" && plain(event)) star.click();
    else if (event.key === "0" && plain(event)) notch(key, 0);
  });
  return item;
}

const plain = (event) => !event.ctrlKey && !event.metaKey && !event.altKey && !["text", "number"].includes(event.target.type);

function figures(row, several) {
  const parts = [several, row.score ? `score ${row.score}` : null, row.locality ? `locality ${typeof row.locality === "number" ? brief(row.locality, 2) : row.locality}` : null,
    Number.isInteger(row.redundant) ? `repeats ${row.redundant}` : null, row.visible === false ? "hardly visible" : null];
  return parts.filter(Boolean).join(" · ");
}

/** Give a direction a strength; others go back to 0 unless they are kept. */
function pull(key, strength) {
  const own = moveOf(key);
  own.strength = Number(strength.toPrecision(DIGITS));
  const others = own.added ? [] : Object.entries(state.moves).filter(([other, move]) => other !== key && !move.added && move.strength).map(([, move]) => move);
  for (const move of others) move.strength = 0;
  if (others.length) say(`The other ${others.length > 1 ? "directions" : "direction"} went back to 0. Mark what is to stay with “Keep”.`);
  state.current = key;
  touch("moves");
}

/** Set a strength that is not dragged to: exact pictures follow when the hand rests. */
function notch(key, strength) {
  drag();
  pull(key, strength);
  settle();
}

const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -FASTER, PageUp: FASTER };

function arrows(event, key, slider) {
  if (KEYS[event.key] === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  by(KEYS[event.key] * (event.shiftKey ? FASTER : 1), key, slider);
}

function wheel(event, key, slider) {
  if (document.activeElement !== slider || !(event.deltaY || event.deltaX)) return;
  event.preventDefault();
  by((Math.abs(event.deltaY) > Math.abs(event.deltaX) ? -Math.sign(event.deltaY) : Math.sign(event.deltaX)) * (event.shiftKey ? FASTER : 1), key, slider);
}

function by(notches, key, slider) {
  const length = Number(slider.max) / (NOTCHES / 2);
  const wanted = (Math.round(moveOf(key).strength / length) + notches) * length;
  notch(key, Math.min(slider.max, Math.max(slider.min, wanted)));
}

/** Move the direction that was pulled last by notches; false where there is none. */
export function pullCurrent(notches) {
  const slider = state.current && document.querySelector(`li[data-key="${state.current}"] input[type=range]`);
  if (slider) by(notches, state.current, slider);
  return Boolean(slider);
}

/** Show what the state says of a row. */
export function syncRow(item) {
  const { key } = item.dataset;
  const move = state.moves[key] ?? { strength: 0, added: false, layers: null };
  const [slider, number, added] = ["slider", "number", "added"].map((part) => item.querySelector(`[data-part=${part}]`));
  const reach = Math.max(Number(slider.max), Math.abs(move.strength));
  if (Number(slider.max) < reach) Object.assign(slider, { min: -reach, max: reach });
  if (Math.abs(slider.valueAsNumber - move.strength) > 1e-3 * slider.max) slider.value = move.strength;
  if (document.activeElement !== number) number.value = brief(move.strength);
  slider.setAttribute("aria-valuetext", `strength ${brief(move.strength)}`);
  added.checked = move.added;
  item.classList.toggle("current", key === state.current);
  item.classList.toggle("moved", move.strength !== 0);
  item.querySelector("[data-part=layers]")?.dispatchEvent(new Event("sync"));
}

/** A choice of the rows of the code that a direction moves, where a code has several. */
function layers(key, row) {
  const count = known.model?.rows ?? 1;
  if (count < 2) return "";
  const own = row.layers ?? [...Array(count).keys()];
  const summary = h("summary", {}, "Layers");
  const boxes = own.map((number) => h("input", { type: "checkbox", value: number, onchange: () => take(boxes.filter((box) => box.checked).map((box) => Number(box.value))) }));
  const take = (rows) => {
    moveOf(key).layers = rows.length === own.length ? null : rows;
    touch("moves");
    commit();
  };
  const groups = Object.entries(known.model.row_groups ?? {}).map(([name, rows]) => [name, rows.filter((number) => own.includes(number))]).filter(([, rows]) => rows.length);
  const details = h("details", { class: "layers", "data-part": "layers" }, summary,
    h("div", { class: "row" }, h("button", { type: "button", onclick: () => take(own) }, "all"), ...groups.map(([name, rows]) => h("button", { type: "button", onclick: () => take(rows) }, name))),
    h("div", { class: "row" }, ...boxes.map((box) => h("label", { class: "check" }, box, ` ${box.value}`))));
  details.addEventListener("sync", () => {
    const chosen = state.moves[key]?.layers ?? own;
    for (const box of boxes) box.checked = chosen.includes(Number(box.value));
    const group = groups.find(([, rows]) => String(rows) === String(chosen));
    summary.textContent = `Layers: ${chosen.length === own.length ? "all" : group?.[0] ?? (chosen.join(", ") || "none")}`;
  });
  return details;
}

/** Turn a name into a field until Enter, Escape or the loss of focus. */
function renameIn(name, row, done) {
  if (name.querySelector("input")) return;
  const first = row.given ?? row.name ?? "";
  const field = h("input", { type: "text", value: first, maxLength: 80, "aria-label": "New name", spellcheck: true });
  const old = name.textContent;
  let open = true;
  const close = (given) => {
    if (!open) return;
    open = false;
    name.textContent = old;
    if (given !== undefined && given !== first) done(given || null);
  };
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") close(field.value.trim());
    if (event.key === "Escape") close();
    if (event.key === "Enter" || event.key === "Escape") name.closest("li")?.querySelector("[data-part=slider]").focus();
  });
  field.addEventListener("blur", () => close(field.value.trim()));
  name.replaceChildren(field);
  field.focus();
  field.select();
}
