// A form made from the fields that an analysis says it has.

import { h } from "./dom.js";

/** Make an input for each field; `values` holds what differs from the defaults, and is changed by the user. */
export function formOf(fields, values, onchange) {
  return fields.map((field) => {
    const input = inputOf(field, values[field.name] ?? field.default);
    input.addEventListener("change", () => {
      const value = valueOf(field, input);
      if (value === field.default || value === undefined) delete values[field.name];
      else values[field.name] = value;
      onchange();
    });
    const help = h("span", { class: "hint", id: `help-${field.name}` }, field.help ?? "");
    input.setAttribute("aria-describedby", help.id);
    return field.kind === "bool"
      ? h("div", {}, h("label", { class: "check" }, input, ` ${words(field.name)}`), help)
      : h("div", {}, h("label", {}, words(field.name), input), help);
  });
}

const words = (name) => name.replaceAll("_", " ");

function inputOf(field, value) {
  if (field.kind === "bool") return h("input", { type: "checkbox", checked: Boolean(value) });
  if (field.kind === "choice") {
    const empty = field.default === null ? [h("option", { value: "" }, "automatic")] : [];
    const select = h("select", {}, ...empty, ...field.choices.map((choice) => h("option", { value: String(choice) }, String(choice))));
    select.value = value === null ? "" : String(value);
    return select;
  }
  const placeholder = field.default === null ? "automatic" : String(field.default);
  if (field.kind === "text") return h("input", { type: "text", spellcheck: false, autocomplete: "off", value: value ?? "", placeholder });
  const input = h("input", { type: "number", step: field.kind === "int" ? 1 : "any", value: value ?? "", placeholder });
  if (Number.isFinite(field.min)) input.min = field.min;
  if (Number.isFinite(field.max)) input.max = field.max;
  if (field.kind === "int" && Number.isFinite(field.above)) input.min = field.above + 1;
  if (field.kind === "int" && Number.isFinite(field.below)) input.max = field.below - 1;
  return input;
}

function valueOf(field, input) {
  if (field.kind === "bool") return input.checked;
  if (input.value === "") return field.default;
  if (field.kind === "choice") return field.choices.find((choice) => String(choice) === input.value);
  return field.kind === "text" ? input.value : input.valueAsNumber;
}
