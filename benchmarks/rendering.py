"""How much longer do commands take than their images alone? Prints a Markdown table; each figure is a ratio.

    python -m benchmarks.rendering [MODEL …] [--images 128] [--rounds 3] [--wall]

A model is a name, or one of the files of the published sizes (`benchmarks.files`), which is then written with random
weights. All columns are seconds of the column's work over those of *the images alone*: all images that the network
draws meanwhile, of the same codes, without anything of zoo. They take turns in one process; medians of the rounds.
Seconds are processor time, or with ``--wall`` elapsed time, which shows what overlaps.

`sample`: `zoo sample`, codes and sheet. `sample --each`: a file of each image too. `edit`: three directions at seven
strengths, with sheet and animation. `report`: what `zoo analyze` does with the directions of `sefa`, which are found at
once: step, measurements, names, sheet and page.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from unittest import mock

import torch
from torch import Tensor

import zoo
from benchmarks.files import open_model
from zoo.core.codes import Codes, join
from zoo.models.model import Model
from zoo.models.rendering import render_batch_size

MODELS = ("biggan.avatars32", "stylegan2.avatars32", "stylegan2.avatars64", "dcgan.digiface64")
STRENGTHS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
MOVED = 3


class Watch:
    """Seconds of what goes on in a block.

    Args:
        clock: Processor time or elapsed time.

    Attributes:
        seconds: How long the block took.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.seconds = 0.0

    def __enter__(self) -> Watch:
        self._began = self._clock()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = self._clock() - self._began


def images_alone(model: Model, codes: Codes, clock: Callable[[], float]) -> float:
    """Draw the images of codes in zoo's batches; return the seconds that it takes."""
    size = render_batch_size(model.adapter)
    with Watch(clock) as watch, torch.no_grad():
        for start in range(0, len(codes), size):
            model.adapter.synthesize(codes[start : start + size])
    return watch.seconds


def ratio_of(model: Model, work: Callable[[Path], object], clock: Callable[[], float]) -> tuple[float, int]:
    """Run something that writes a folder; return its seconds over those of its images alone, and their number."""
    drawn: list[Codes] = []
    draw = type(model.adapter).synthesize

    def counted(adapter: zoo.Adapter, codes: Codes) -> Tensor:
        drawn.append(codes)
        return draw(adapter, codes)

    with (
        mock.patch.object(type(model.adapter), "synthesize", counted),
        tempfile.TemporaryDirectory() as folder,
        Watch(clock) as watch,
    ):
        work(Path(folder) / "run")
    codes = join(drawn)
    return watch.seconds / images_alone(model, codes, clock), len(codes)


def rounds_of(model: Model, images: int, clock: Callable[[], float]) -> dict[str, float]:
    """Measure every column once; return the ratios."""
    codes = model.sample(images, seed=1)
    found = zoo.analyze(model, "sefa", show=1, unseen=0)
    few = codes[: max(1, images // (MOVED * len(STRENGTHS)))]

    def sample(folder: Path, *, each: bool = False) -> None:
        zoo.sample(model, codes=codes).save(folder, each=each)

    def report(folder: Path) -> None:
        zoo.analyze(model, "sefa", out=folder)

    edited = zoo.edit(model, found, codes=few, indices=range(MOVED), strengths=STRENGTHS)
    works: dict[str, Callable[[Path], object]]
    works = {"sample": sample, "sample --each": partial(sample, each=True), "edit": edited.save, "report": report}
    ratios: dict[str, float] = {}
    for name, work in works.items():
        ratios[name], drawn = ratio_of(model, work, clock)
        ratios[f"images of {name}"] = drawn
    return ratios


def measure(name: str, images: int, rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Measure a model; return the medians of its ratios."""
    model = open_model(name)
    images_alone(model, model.sample(16, seed=0), clock)  # warms up
    ratios = defaultdict(list)
    for _ in range(rounds):
        for column, ratio in rounds_of(model, images, clock).items():
            ratios[column].append(ratio)
    return {column: median(values) for column, values in ratios.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL")
    parser.add_argument("--images", type=int, default=128, help="how many images are drawn by `sample`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wall", action="store_true", help="elapsed time instead of processor time")
    options = parser.parse_args(arguments)
    clock = time.perf_counter if options.wall else time.process_time
    for number, name in enumerate(options.models):
        ratios = measure(name, options.images, options.rounds, clock)
        if not number:
            print(f"| model | {' | '.join(ratios)} |\n| --- | {' | '.join(['---:'] * len(ratios))} |")
        print(f"| `{name}` | {' | '.join(f'{ratio:.3g}' for ratio in ratios.values())} |", flush=True)


if __name__ == "__main__":
    main()
