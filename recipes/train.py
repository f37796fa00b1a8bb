"""Train a bundled model. The command resumes a training that was stopped.

    python -m recipes.train biggan.avatars32 --data DATA --out OUT

DATA is a folder that `python -m recipes.avatars` wrote. OUT gets `checkpoint/`, `log.jsonl`, and sheets of samples of
the averaged network. `python -m recipes.release` writes the bundled file from it.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from dataclasses import fields
from pathlib import Path

import torch
from safetensors.torch import load_file

from recipes.avatars import read
from recipes.generators import GENERATORS
from recipes.pictures import sample_sheet
from recipes.training import Settings, Training


def main() -> None:
    """Train until so many images have been shown, or until a signal; write a checkpoint in both cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=GENERATORS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="a released weights file to go on from, with a new discriminator")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--graphs", action=argparse.BooleanOptionalAction, default=True, help="CUDA graphs")
    parser.add_argument("--keep", type=int, default=200, help="steps between checkpoints")
    parser.add_argument("--draw", type=int, default=20_000, help="images between sheets")
    for field in fields(Settings):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    settings = Settings(**{field.name: getattr(args, field.name) for field in fields(Settings)})
    torch.backends.cudnn.benchmark = True
    data = read(args.data, "train")
    images = torch.from_numpy(data.images).to(args.device)
    styles = torch.from_numpy(data.labels[:, 0]).to(args.device)
    training = Training(args.model, len(data.attributes["style"]), settings, args.device, graphs=args.graphs)
    if args.start:
        training.start_from({key: tensor.float() for key, tensor in load_file(args.start).items()})
    training.resume(args.out / "checkpoint")
    signals: list[int] = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: signals.append(number))
    start = time.monotonic()
    first = training.shown
    while training.shown < settings.images and not signals:
        losses = training.advance(images, styles)
        if training.step % args.keep == 0 or training.shown >= settings.images or signals:
            training.save(args.out / "checkpoint")
            seconds = time.monotonic() - start
            pace = (training.shown - first) / seconds
            record = {"images": training.shown, "seconds": round(seconds, 1), "pace": round(pace, 1), **rounded(losses)}
            with (args.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(record) + "\n")
        if training.shown % args.draw < settings.batch:
            sample_sheet(training.average, data.attributes["style"]).save(args.out / f"{training.shown:07d}.png")


def rounded(losses: dict[str, torch.Tensor]) -> dict[str, float]:
    """Return the losses as numbers of four decimals."""
    return {name: round(float(value), 4) for name, value in losses.items()}


if __name__ == "__main__":
    main()
