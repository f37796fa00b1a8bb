// What takes long: it is started, asked after, shown with its progress, and cancelled.

import { Gone, Refused, call, callJson, whenBack } from "./api.js";
import { h, say, unsay } from "./dom.js";

const PAUSE = 200;  // ms
const FIRST_PAUSE = 30;  // much is done at once

/** Start a job, or go on with a known one, and wait for its result; progress is shown in `place`. */
export async function runJob(title, place, start, started = () => {}) {
  const bar = h("progress", { "aria-label": title });
  const text = h("span", { class: "soft" });
  const cancel = h("button", { type: "button" }, "Cancel");
  const shown = h("div", { class: "job" }, h("b", {}, title), bar, text, cancel);
  place.append(shown);
  say(`${title} …`);
  try {
    const id = typeof start === "string" ? start : (await start()).id;
    started(id);
    cancel.addEventListener("click", () => stop(id, cancel));
    return await follow(id, (job) => show(job, bar, text), title);
  } finally {
    unsay(`${title} …`);
    shown.remove();
  }
}

async function stop(id, button) {
  button.disabled = true;
  button.textContent = "Cancelling …";
  await call(`jobs/${id}`, { method: "DELETE" }).catch(() => {});
}

async function follow(id, show, title) {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(PAUSE, pause * 1.5)) {
    const job = await look(id, title);
    show(job);
    if (job.state === "done") return job.result;
    if (job.state === "failed") throw new Refused(job.error ?? `${title}: this failed without a reason.`, 400, job);
    if (job.state === "cancelled") throw new Refused(`${title}: cancelled.`, 400);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function look(id, title) {
  for (;;) {
    try {
      return await callJson(`jobs/${id}`);
    } catch (error) {
      if (error instanceof Gone) {
        await whenBack();
      } else if (error.status === 404) {
        throw new Refused(`${title}: the server was started again meanwhile, and this was lost. Start it once more.`, 404);
      } else {
        throw error;
      }
    }
  }
}

function show(job, bar, text) {
  if (job.total) {
    bar.max = job.total;
    bar.value = job.done ?? 0;
  } else {
    bar.removeAttribute("value");
  }
  const left = job.left_s > 1 ? ` · about ${duration(job.left_s)} left` : "";
  const wanted = job.state === "waiting" ? "waiting for another job" : `${job.text ?? ""}${left}`;
  if (text.textContent !== wanted) text.textContent = wanted;
}

const duration = (seconds) => (seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);
