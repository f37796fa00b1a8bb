"""What a search for codes costs in StyleGAN2 of the published sizes, with random weights: seconds and memory.

    python -m benchmarks.projecting [--rounds 3] [--starts 8]

Each line is a process of its own: a file of the published size is written, opened, and images that it draws are
projected. The searches are whole, from drawn codes to free rows, but for two numbers. Each of the three calls of
L-BFGS makes ``--rounds`` rounds, where `zoo project` makes 15, 15 and 100; and the pictures are compared with
``--starts`` drawn codes, where it draws 256 at 256² and 32 at 1024². Costs do not depend on weights. Seconds are
processor time of one thread, the median over all gradients. Memory is the most that the process had; beside it stands
how much more that is than what it had before.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

import zoo
from benchmarks.files import FILES
from benchmarks.peak_memory import peak
from zoo.core.channels import as_rgb
from zoo.inversion.solving import solvers, starts
from zoo.inversion.solving.problem import Problem

# The file, how many pictures are projected together, and the memory that derivatives may have.
CASES: tuple[tuple[str, int, str | None], ...] = (
    ("stylegan2-256", 1, None),
    ("stylegan2-256", 4, "2GB"),
    ("stylegan2-1024", 1, None),
    ("stylegan2-1024", 1, "4GB"),
)


def timed(work: Callable[..., Any], seconds: list[float], share: Callable[..., int]) -> Callable[..., Any]:
    """Note the seconds that each item of a call takes."""

    def call(*given: Any) -> Any:
        began = time.process_time()
        result = work(*given)
        seconds.append((time.process_time() - began) / share(*given))
        return result

    return call


def measure(name: str, pictures: int, memory: str | None, rounds: int, drawn: int) -> str:
    """Project images in a network with random weights; return the figures as a line."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.pt"
        FILES[name](path)
        model = zoo.load(path, device="cpu")
    images: Tensor = as_rgb(model.render(model.sample(pictures, seed=1))).clamp(-1, 1)
    before = peak()
    solvers._RIDGE_ROUNDS = solvers._LONG_ROUNDS = rounds
    starts._LEAST_STARTS = starts._MOST_STARTS = drawn
    gradients: list[float] = []
    Problem.evaluate = timed(Problem.evaluate, gradients, lambda problem, *_: len(problem))  # type: ignore[method-assign]
    began = time.process_time()
    found = zoo.project(model, images, memory=memory)
    took = time.process_time() - began
    return (
        f"{name}, {pictures} together, memory {memory or 'free'}: {len(gradients)} calls, "
        f"a gradient {median(gradients):.1f} s ({min(gradients):.1f} to {max(gradients):.1f}); in all {took:.0f} s; "
        f"{peak():.1f} GB, {peak() - before:.1f} GB of them for the search; rows {found.fits[0].rows}"
    )


def main() -> None:
    """Measure each case in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each call of L-BFGS")
    parser.add_argument("--starts", type=int, default=8, help="drawn codes that pictures are compared with")
    parser.add_argument("--case", type=int, help="measure this one only, here")
    options = parser.parse_args()
    if options.case is not None:
        name, pictures, memory = CASES[int(options.case)]
        print(measure(name, pictures, memory, options.rounds, options.starts), flush=True)
        return
    for case in range(len(CASES)):
        subprocess.run([sys.executable, "-m", __spec__.name, *sys.argv[1:], "--case", str(case)], check=True)


if __name__ == "__main__":
    main()
