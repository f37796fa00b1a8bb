// Requests for pictures: one of a lane is in flight at a time, and of those that wait only the newest is sent.

import { Gone, Refused, call, connection } from "./api.js";

let last = 0;
const nextSeq = () => (last = Math.max(last + 1, Date.now()));
const lanes = [];
connection.addEventListener("back", () => lanes.forEach((lane) => lane.run()));

const STALE = 409;
const BUSY = [429, 503];
const BUSY_PAUSE = 150;  // ms, and more each time
const MOST_BUSY = 5;

/** A lane of requests; `path` is `render` or `heat`. */
export class Lane {
  #wish = null;
  #running = false;
  #busy = 0;  // times that the server was busy, one after the other

  constructor(name, path = "render") {
    Object.assign(this, { name, path, pictures: 0, milliseconds: 0 });
    lanes.push(this);
  }

  /** Whether a newer wish waits for the one in flight. */
  get waiting() {
    return this.#wish !== null;
  }

  get idle() {
    return !this.#running && !this.#wish;
  }

  /** Ask for a picture: `shown(answer)` is called with it unless a newer wish comes first, `failed(error)` otherwise. */
  wish(body, shown, failed) {
    this.#wish = { body, shown, failed };
    this.run();
  }

  /** Forget the wish that waits, and show nothing of the one in flight. */
  drop() {
    this.#wish = null;
    this.dropped = true;
  }

  async run() {
    if (this.#running) return;
    this.#running = true;
    while (this.#wish) {
      const wish = this.#wish;
      this.#wish = null;
      this.dropped = false;
      if (!(await this.#serve(wish))) break;
    }
    this.#running = false;
  }

  /** Serve a wish; false where the server is gone, so that the lane waits until it is back. */
  async #serve(wish) {
    try {
      const answer = await fetchPicture(this.path, { ...wish.body, seq: nextSeq(), lane: this.name });
      this.#busy = 0;
      this.pictures += 1;
      this.milliseconds = answer.milliseconds;
      if (!this.dropped) wish.shown(answer);
    } catch (error) {
      if (error instanceof Gone) {
        this.#wish ??= wish;
        return false;
      }
      const busy = error instanceof Refused && BUSY.includes(error.status);
      this.#busy = busy ? this.#busy + 1 : 0;
      if ((busy && this.#busy <= MOST_BUSY) || (error instanceof Refused && error.status === STALE)) {
        if (busy) await new Promise((resolve) => setTimeout(resolve, BUSY_PAUSE * this.#busy));
        if (!this.dropped) this.#wish ??= wish;
      } else {
        wish.failed(error);
      }
    }
    return true;
  }
}

async function fetchPicture(path, body) {
  const started = performance.now();
  const response = await call(path, { method: "POST", json: body });
  const bitmap = await createImageBitmap(await response.blob());
  const number = (name) => Number(response.headers.get(`X-Zoo-${name}`) ?? NaN);
  return {
    bitmap,
    columns: number("Columns") || 1,
    exact: response.headers.get("X-Zoo-Exact") !== "0",
    top: number("Top"),
    inside: number("Inside"),
    milliseconds: performance.now() - started,
  };
}

/** Copy one picture of an atlas onto a canvas, which takes its size. */
export function drawColumn(canvas, answer, column) {
  const width = answer.bitmap.width / answer.columns;
  const { height } = answer.bitmap;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").drawImage(answer.bitmap, column * width, 0, width, height, 0, 0, width, height);
}
