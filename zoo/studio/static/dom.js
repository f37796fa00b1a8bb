// Small helpers for the document: elements, messages, the clipboard.

export const $ = (id) => document.getElementById(id);

/** Make an element: properties by name (`on…` are listeners, `aria…` and `data-…` attributes), then its children. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.includes("-") && name !== "list") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an SVG element from attributes. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Say what happened, where assistive technology reads it; details are shown on demand. */
export function say(text, ...details) {
  fill($("status"), text, details.length ? h("details", {}, h("summary", {}, "Details"), ...details.map((one) => h("p", {}, one))) : null);
}

/** Take back what was said of something that has ended. */
export function unsay(text) {
  if ($("status").textContent === text) say("");
}

/** Show what went wrong until it is dismissed, or until `clear` is called with the same key. */
export function warn(text, key = "error") {
  const box = $("alert");
  box.querySelector(`[data-key="${key}"]`)?.remove();
  const close = h("button", { type: "button", onclick: () => clear(key) }, "Dismiss");
  box.append(h("p", { "data-key": key }, h("span", {}, text), " ", close));
}

export function clear(key = "error") {
  $("alert").querySelector(`[data-key="${key}"]`)?.remove();
}

/** Take away all that was said of an earlier model. */
export function clearAll() {
  for (const shown of [...$("alert").children]) if (shown.id !== "gone") shown.remove();
}

/** Ask a question with a button for each answer; null where it is dismissed. */
export function choose(text, answers, key = "question") {
  return new Promise((chosen) => {
    const buttons = [...answers, null].map((answer) => h("button", { type: "button", onclick: () => { clear(key); chosen(answer); } }, answer ?? "Dismiss"));
    clear(key);
    $("alert").append(h("p", { "data-key": key }, h("span", {}, text), ...buttons));
    buttons[0].focus();
  });
}

/** Do something on behalf of the user; what it throws becomes a sentence on the page. */
export async function attempt(action, key = "error") {
  try {
    clear(key);
    return await action();
  } catch (error) {
    if (error.name !== "AbortError") warn(sentence(error), key);
    return undefined;
  }
}

export function sentence(error) {
  if (error.expected) return error.message;
  console.error(error);
  return `The page failed at this: ${error.message}. Load it again; nothing that is saved or starred is lost.`;
}

/** Copy text; where the clipboard is not to be had, the text is selected in `source`. */
export async function copy(text, source) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied.";
  } catch {
    if (!source) throw Object.assign(new Error(`The browser does not let this page copy. The command is: ${text}`), { expected: true });
    getSelection().selectAllChildren(source);
    return "Selected: press Ctrl+C.";
  }
}

/** A row of radio buttons that looks like one control. */
export function segments(container, name, choices, onchange) {
  const inputs = choices.map(([value, label, title]) => {
    const input = h("input", { type: "radio", name, value, onchange: () => onchange(value) });
    container.append(h("label", { title }, input, h("span", {}, label)));
    return input;
  });
  return (value) => inputs.forEach((input) => { input.checked = input.value === value; });
}

/** Make the buttons of a group one stop of the Tab key, with arrow keys between them; call the result after a change. */
export function roving(container) {
  const buttons = () => [...container.querySelectorAll("button")];
  const settle = (current) => { for (const button of buttons()) button.tabIndex = button === current ? 0 : -1; };
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  container.addEventListener("focusin", (event) => settle(event.target.closest("button")));
  container.addEventListener("keydown", (event) => {
    const all = buttons();
    const place = all.indexOf(event.target.closest("button"));
    if (steps[event.key] === undefined || place < 0) return;
    event.preventDefault();
    all[Math.min(all.length - 1, Math.max(0, place + steps[event.key]))].focus();
  });
  return () => { if (!buttons().some((button) => button === document.activeElement)) settle(buttons()[0]); };
}

/** Format a number briefly. */
export const brief = (value, digits = 3) => String(Number(value.toPrecision(digits)));

export const debounced = (action, pause) => {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), pause);
  };
};

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
}

/** An error that is the user's to mend; its message is shown as it is. */
export const problem = (message) => Object.assign(new Error(message), { expected: true });
