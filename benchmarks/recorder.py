"""Does recording a derivative once pay, against taking it anew for every batch of tangents? Prints a Markdown table.

    OMP_NUM_THREADS=1 python -m benchmarks.recorder [CASE …] [--device cpu|cuda]

Two ways to the same Jacobian, one after the other in the same process, taking turns at who goes first:

- *recorded*: `zoo.jacobian.linearize.LinearMap`, one recording and its check included;
- *plain*: `torch.func.vmap(torch.func.jvp(…))` in chunks of the same size.

Where a whole Jacobian takes minutes, both compute a few columns, and the seconds of a further chunk stand for the rest:
T = T(first chunk) + (chunks − 1) · T(further chunk). Times are medians of processor time (of wall-clock time on a
graphics card); memory is the most that tensors took together, counted operation by operation for one chunk. A ratio
above 1 means that the recording is faster, or takes less memory; the last line is the geometric mean.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from statistics import geometric_mean, median

import torch
from torch import Tensor

import zoo
from benchmarks import shapes
from zoo.core.adapter import Adapter
from zoo.core.region import Region, parse_region
from zoo.jacobian.columns import default_chunk
from zoo.jacobian.memory import peak_bytes
from zoo.jacobian.operator import RegionJacobian
from zoo.testing import draw


@dataclass(frozen=True)
class Case:
    """A network, a region, and how it is measured; `tangents` is the size of a chunk, None for zoo's own."""

    open: Callable[[], tuple[Adapter, Region]]
    rounds: int
    tangents: int | None = None


def bundled(name: str, text: str) -> Case:
    """Describe a network with its trained weights, all columns of whose Jacobian are computed."""

    def load() -> tuple[Adapter, Region]:
        model = zoo.load(name, device="cpu")
        return model.adapter, model.region(text)

    return Case(load, rounds=9)


def full_size(build: Callable[[], Adapter], tangents: int) -> Case:
    """Describe a network of a published size with random weights, of whose Jacobian some columns are computed."""

    def load() -> tuple[Adapter, Region]:
        adapter = build()
        return adapter, parse_region("all", adapter.resolution)

    return Case(load, rounds=3, tangents=tangents)


TRAINED = ("biggan.avatars32", "stylegan2.avatars32", "stylegan.avatars32", "pggan.avatars32", "dcgan.digiface64")
CASES = {
    **{f"{name}, {text}": bundled(name, text) for name in TRAINED for text in ("mouth", "eyes", "all")},
    "BigGAN-shaped, 128²": full_size(lambda: shapes.biggan(128), 16),
    "StyleGAN2-shaped, 128²": full_size(lambda: shapes.stylegan2(128), 16),
    "StyleGAN2-shaped, 256²": full_size(lambda: shapes.stylegan2(256), 16),
    "R3GAN-shaped, 256²": full_size(lambda: shapes.r3gan("ffhq-256"), 8),
}


class Task:
    """One code of a network: its Jacobian, by either way."""

    def __init__(self, case: Case, device: str) -> None:
        self.adapter, self.region = case.open()
        self.adapter.network.to(device)
        self.code = draw(self.adapter, 1, 1)
        self.chunk = case.tangents or default_chunk(self.adapter, self.region)
        self.basis = torch.eye(self.adapter.space.dim, device=device)
        self.whole = case.tangents is None

    def products(self, *, recorded: bool) -> Callable[[Tensor], Tensor]:
        """Return a new map of k tangents (k, dim) to their images (k, r); nothing of the network is known to it yet."""
        operator = RegionJacobian(self.adapter, self.code, self.region)
        if not recorded:
            operator._tangent_map = torch.func.vmap(operator._derivative_along)
        return operator.jvp

    def seconds(self, *, recorded: bool) -> float:
        """Measure the whole Jacobian, or carry two chunks on to it."""
        jvp = self.products(recorded=recorded)
        chunks = self.basis.split(self.chunk)
        marks = [self.now()]
        for tangents in chunks if self.whole else chunks[:2]:
            jvp(tangents)
            marks.append(self.now())
        if self.whole:
            return marks[-1] - marks[0]
        # T = T(first chunk) + (chunks - 1) T(further chunk)
        return marks[1] - marks[0] + (len(self.basis) / self.chunk - 1) * (marks[2] - marks[1])

    def now(self) -> float:
        """Return the processor time of this process, or the time once a graphics card has done its work."""
        if self.basis.is_cuda:
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()

    def memory(self, *, recorded: bool) -> int:
        """Count the most bytes that tensors take together while the first chunk is computed."""
        return peak_bytes(lambda: self.products(recorded=recorded)(self.basis[: self.chunk]))[0]


def measure(case: Case, device: str) -> tuple[Task, dict[bool, float], dict[bool, int]]:
    """Let both ways take turns: (the task, median seconds, bytes), recorded under True."""
    task = Task(case, device)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    # Counting the memory warms both ways up.
    memory = {recorded: task.memory(recorded=recorded) for recorded in (True, False)}
    for turn in range(case.rounds):
        for recorded in (True, False) if turn % 2 else (False, True):
            seconds[recorded].append(task.seconds(recorded=recorded))
    return task, {recorded: median(each) for recorded, each in seconds.items()}, memory


def main() -> None:
    """Measure every case, and print a row for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="words that the names of the cases to run begin with")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"torch {torch.__version__}, {options.device}, {torch.get_num_threads()} threads\n")
    print("| network, region | J | tangents | plain, s | recorded, s | ratio | plain, MB | recorded, MB | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    ratios, savings = [], []
    for name, case in CASES.items():
        if options.cases and not name.startswith(tuple(options.cases)):
            continue
        task, seconds, memory = measure(case, options.device)
        ratios.append(seconds[False] / seconds[True])
        savings.append(memory[False] / memory[True])
        shape = f"{len(task.region.pixels)} x {len(task.basis)}"
        times = f"{seconds[False]:.3g} | {seconds[True]:.3g} | {ratios[-1]:.2f}"
        sizes = f"{memory[False] / 1e6:.3g} | {memory[True] / 1e6:.3g} | {savings[-1]:.2f}"
        star = "" if task.whole else " (extrapolated)"
        print(f"| {name}{star} | {shape} | {task.chunk} | {times} | {sizes} |", flush=True)
    print(f"| geometric mean | | | | | {geometric_mean(ratios):.2f} | | | {geometric_mean(savings):.2f} |")


if __name__ == "__main__":
    main()
