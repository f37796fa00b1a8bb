"""Train a bundled model: one command, which goes on where an earlier one was stopped.

    python -m recipes.train biggan.avatars32 --data DIR --out DIR

DIR of the data is what `python -m recipes.avatars` wrote. The other one gets `checkpoint/`, `log.jsonl` and sheets of
the average's samples; `python -m recipes.release` makes of it the file that is bundled.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from dataclasses import fields
from pathlib import Path

import torch

from recipes.avatars import read
from recipes.generators import GENERATORS
from recipes.pictures import sample_sheet
from recipes.training import Settings, Training


def main() -> None:
    """Train until the pictures asked for were shown, or a signal asks to stop; the checkpoint is written then too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=GENERATORS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--keep", type=int, default=200, help="steps between two checkpoints")
    parser.add_argument("--draw", type=int, default=20_000, help="pictures between two sheets")
    for field in fields(Settings):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    settings = Settings(**{field.name: getattr(asked, field.name) for field in fields(Settings)})
    data = read(asked.data, "train")
    styles = data.labels[:, 0]
    training = Training(asked.model, len(data.attributes["style"]), settings, asked.device)
    training.resume(asked.out / "checkpoint")
    stopped: list[int] = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: stopped.append(number))
    start, first = time.monotonic(), training.shown
    while training.shown < settings.images and not stopped:
        losses = training.advance(data.images, styles)
        if training.step % asked.keep == 0 or training.shown >= settings.images or stopped:
            training.save(asked.out / "checkpoint")
            pace = (training.shown - first) / (time.monotonic() - start)
            told = {"images": training.shown, "pace": round(pace, 1), **{k: round(v, 4) for k, v in losses.items()}}
            with (asked.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(told) + "\n")
        if training.shown % asked.draw < settings.batch:
            sample_sheet(training.average, data.attributes["style"]).save(asked.out / f"{training.shown:07d}.png")


if __name__ == "__main__":
    main()
