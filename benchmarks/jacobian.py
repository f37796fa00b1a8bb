"""What does a Jacobian cost, computed one way or another? Prints a Markdown table for each case.

    python benchmarks/jacobian.py [CASE …] [--quick] [--device cpu|cuda] [--rounds N]

Each row is a process of its own, which loads the network, warms up, and then works when it is told to: the rows take
turns, and the fastest of their rounds counts. Memory is what a process took at most beyond what it held before its
first round (on a graphics card: what its tensors took). The deviation is the largest from a float64 reference, relative
to the reference's largest entry.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo import linearize
from zoo.adapter import Adapter
from zoo.codes import Codes
from zoo.grams import gram_matrices
from zoo.jacobian import Means, default_chunk, jacobian
from zoo.keep import Keep
from zoo.linearize import LinearMap
from zoo.outputs import GREY
from zoo.region import Region, parse_region
from zoo.testing import draw, in_float64

ROUNDS = 3
ROWS = {False: 64, True: 8}
"""How many rows of J are computed where its time is carried on to all of them; fewer for a quick look."""
COLUMNS = 32
"""How many columns are compared with the reference."""
PRODUCTS = ("convolution", "mm", "bmm", "addmm", "matmul", "linear")


@dataclass(frozen=True)
class Case:
    """A network and a region of its images; `shape` is a function of benchmarks/shapes.py and its resolution."""

    model: str
    region: str
    shape: tuple[str, int] | None = None
    card: bool = False  # for a graphics card only

    def open(self, device: str) -> tuple[Adapter, Region]:
        """Load the network. Raises `ImportError` where there are no shapes."""
        if self.shape is None:
            model = zoo.load(self.model, device=device)
            return model.adapter, model.region(self.region)
        name, resolution = self.shape
        adapter: Adapter = getattr(importlib.import_module("shapes"), name)(resolution)
        adapter.network.to(device)
        return adapter, parse_region(self.region, adapter.resolution)


CASES = {
    "faces": Case("dcgan.digiface64", "all"),
    "mouth": Case("dcgan.digiface64", "mouth"),
    "eyes": Case("dcgan.omniart-eyes128", "all"),
    "spot": Case("dcgan.omniart-eyes128", "box:0.4,0.4,0.22,0.23"),  # 5 % of the picture
    "stylegan2": Case("StyleGAN2-shaped, 128²", "center", ("stylegan2", 128)),
    "biggan": Case("BigGAN-shaped, 128²", "center", ("biggan", 128)),
    "stylegan2-256": Case("StyleGAN2-shaped, 256²", "all", ("stylegan2", 256), card=True),
    "stylegan2-1024": Case("StyleGAN2-shaped, 1024²", "all", ("stylegan2", 1024), card=True),
    "biggan-256": Case("BigGAN-shaped, 256²", "all", ("biggan", 256), card=True),
}
QUICK = ("faces",)


class Task:
    """A case at hand: the network, a code, the region, and the function whose derivative is taken."""

    def __init__(self, case: Case, device: str, *, quick: bool, exact: bool = False) -> None:
        self.adapter, self.region = case.open(device)
        if exact:
            self.adapter = in_float64(self.adapter)
        self.code: Codes = draw(self.adapter, 1, 0)
        self.dim, self.chunk = self.adapter.space.dim, default_chunk(self.adapter)
        self.origin = torch.zeros(self.dim, dtype=self.adapter.dtype, device=self.adapter.device)
        self.rows = len(self.region.pixels)
        step = max(1, self.rows // ROWS[quick])
        self.some = torch.arange(0, self.rows, step, device=self.origin.device)
        self.columns = torch.linspace(0, self.dim - 1, min(COLUMNS, self.dim)).long()

    def function(self, delta: Tensor) -> Tensor:
        """Map δ to the grey pixels of the region: (rows,)."""
        moved = self.adapter.move(self.code, delta)
        return GREY(self.adapter.region_output(moved, self.region), self.region)[0]

    @cached_property
    def folder(self) -> Path:
        """A folder for what is kept, which goes with the process."""
        self._temporary = tempfile.TemporaryDirectory()
        return Path(self._temporary.name)


@dataclass(frozen=True)
class Found:
    """What one way found: part of J, some of its rows or all, or M; and how many times as long all of it takes."""

    jacobian: Tensor | None = None
    gram: Tensor | None = None
    rows: Tensor | None = None
    share: float = 1.0
    seconds: float | None = None  # what was reckoned instead of measured


Way = Callable[[Task], Callable[[], Found]]
"""Prepare a task, outside of what is timed, and return the work."""


def one_by_one(task: Task) -> Callable[[], Found]:
    """One backward pass a row, as published."""

    def work() -> Found:
        delta = task.origin.clone().requires_grad_()
        with torch.enable_grad():
            pixels = task.function(delta)
            rows = [torch.autograd.grad(pixels[row], delta, retain_graph=True)[0] for row in task.some]
        return Found(torch.stack(rows), rows=task.some, share=len(task.some) / task.rows)

    return work


def reverse(task: Task) -> Callable[[], Found]:
    """torch.func.jacrev of some rows, 32 at a time."""
    derivative = torch.func.jacrev(lambda delta: task.function(delta)[task.some], chunk_size=32)
    return lambda: Found(derivative(task.origin), rows=task.some, share=len(task.some) / task.rows)


def forward(task: Task) -> Callable[[], Found]:
    """torch.func.jacfwd, which takes all tangents at once, made to take as many at a time as zoo does."""

    def along(tangent: Tensor) -> Tensor:
        derivative: Tensor = torch.func.jvp(task.function, (task.origin,), (tangent,))[1]
        return derivative

    columns = torch.func.vmap(along, chunk_size=task.chunk)
    basis = torch.eye(task.dim, dtype=task.origin.dtype, device=task.origin.device)
    return lambda: Found(columns(basis).T)


def exact(task: Task) -> Callable[[], Found]:
    """zoo.jacobian.jacobian, the recording included."""
    return lambda: Found(jacobian(task.adapter, task.code, task.region))


def kept(task: Task) -> Callable[[], Found]:
    """M of this region (of the centre, where it is the whole image), after another one was asked for."""
    whole = parse_region("all", task.adapter.resolution)
    region = parse_region("center", task.adapter.resolution) if task.region.whole else task.region
    means = Means(keep=Keep(task.folder, "benchmark"))
    gram_matrices(task.adapter, task.code, [whole], means=means)
    task.region = region
    return lambda: Found(gram=gram_matrices(task.adapter, task.code, [region], means=means).matrices[0])


def floor(task: Task) -> Callable[[], Found]:
    """The convolutions and matrix products that all columns take, and nothing else."""
    with torch.no_grad():
        program = LinearMap(task.function, task.origin)._program
    parts = [part for part in program._parts if isinstance(part, linearize._Apply)]
    parts = [part for part in parts if part.step.function._schema.name.removeprefix("aten::") in PRODUCTS]
    sizes = [min(task.chunk, task.dim - start) for start in range(0, task.dim, task.chunk)]

    def work() -> Found:
        for size in sizes:
            for part in parts:
                slots = {slot: task.origin.new_ones(size, *program._slot_shapes[slot]) for slot in part.inputs}
                linearize._apply(part, slots)
        return Found()

    return work


def counted_floor(task: Task) -> Callable[[], Found]:
    """The operations of those products, counted, at the rate of the device's own product of large float32 matrices."""
    products = floor(task)
    with FlopCounterMode(display=False) as counter:
        products()
    matrix = torch.rand(8192, 8192, device=task.origin.device)

    def work() -> Found:
        finish(task.origin.device.type)
        start = time.perf_counter()
        for _ in range(8):
            matrix @ matrix
        finish(task.origin.device.type)
        rate = 8 * 2 * 8192**3 / (time.perf_counter() - start)
        return Found(seconds=counter.get_total_flops() / rate)

    return work


def images(task: Task) -> Callable[[], Found]:
    """The plain forward pass of as many images as J has columns, as many at a time as zoo takes tangents."""
    codes = draw(task.adapter, task.dim, 1)

    def work() -> Found:
        for start in range(0, task.dim, task.chunk):
            task.adapter.synthesize(codes[start : start + task.chunk])
        return Found()

    return work


WAYS: dict[str, Way] = {
    "row by row, as published": one_by_one,
    "`torch.func.jacrev`": reverse,
    "`torch.func.jacfwd`, in chunks": forward,
    "zoo, exact": exact,
    "zoo, kept from another region": kept,
    "the convolutions alone": floor,
    "their operations, at the card's rate for matrices": counted_floor,
    "the images alone": images,
}
"""The rows of a table: a further one needs an entry here, and what it finds as a `Found`."""
BASE = "the images alone"
CARD_ONLY = "their operations, at the card's rate for matrices"


# Measuring


def serve(pipe: Connection, title: str, case: Case, device: str, quick: bool) -> None:
    """Prepare one row in a process of its own, and work at each word that comes; None ends it."""
    warnings.simplefilter("ignore")
    task = Task(case, device, quick=quick)
    with torch.no_grad():
        torch.func.jvp(task.function, (task.origin,), (torch.ones_like(task.origin),))
    with torch.set_grad_enabled(False):
        work = WAYS[title](task)
        before, seconds, memory = resident(device), [], 0
        pipe.send((torch.get_num_threads(), task.rows, task.dim, task.chunk))
        found = Found()
        while pipe.recv() is not None:
            forget_peak(device)
            start = time.perf_counter()
            found = work()
            finish(device)
            seconds.append(found.seconds or time.perf_counter() - start)
            memory = max(memory, peak(device) - before)
            pipe.send(None)
    computed = 0 if found.share == 1 else len(task.some)
    pipe.send((min(seconds) / found.share, memory, computed, deviation(found, task, case, device)))


def deviation(found: Found, task: Task, case: Case, device: str) -> float | None:
    """Compare with the reference: some columns of J, by torch's own forward mode in float64."""
    if found.jacobian is None and found.gram is None:
        return None
    precise = Task(case, device, quick=True, exact=True)
    precise.region = task.region
    basis = torch.eye(task.dim, dtype=torch.float64, device=task.origin.device)[task.columns]
    columns = [torch.func.jvp(precise.function, (precise.origin,), (axis,))[1] for axis in basis]
    wanted = torch.stack(columns, dim=1)
    if found.gram is not None:
        seen = found.gram[task.columns][:, task.columns]
        wanted = (wanted.T @ wanted / len(wanted)).cpu()
    else:
        seen = cast("Tensor", found.jacobian)[:, task.columns].double()
        wanted = wanted if found.rows is None else wanted[found.rows]
    return float((seen - wanted).abs().max() / wanted.abs().max())


def finish(device: str) -> None:
    """Wait for the graphics card."""
    if device == "cuda":
        torch.cuda.synchronize()


def status(name: str) -> int:
    """Read a size of this process in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def resident(device: str) -> int:
    """Return the bytes that are in use now."""
    return torch.cuda.memory_allocated() if device == "cuda" else status("VmRSS")


def peak(device: str) -> int:
    """Return the most bytes that were in use since `forget_peak`."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else status("VmHWM")


def forget_peak(device: str) -> None:
    """Measure the peak anew from here."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


@dataclass(frozen=True)
class Measured:
    """A row of a table; `computed` rows of J stand for all, or 0; `deviation` is None where nothing is compared."""

    seconds: float
    memory: int
    computed: int
    deviation: float | None


def measure(case: Case, device: str, rounds: int, *, quick: bool) -> tuple[str, dict[str, Measured]]:
    """Let the rows of a case take turns; return what they share, in words, and what each took."""
    context = multiprocessing.get_context("spawn")
    workers = {}
    for title in WAYS:
        if title != CARD_ONLY or device == "cuda":
            here, there = context.Pipe()
            process = context.Process(target=serve, args=(there, title, case, device, quick), daemon=True)
            process.start()
            there.close()
            workers[title] = (here, process)
    (threads, rows, dim, chunk), *_ = [here.recv() for here, _ in workers.values()]
    for turn in range(rounds):
        for title, (here, _) in workers.items():
            print(f"{case.model}, {case.region}: round {turn + 1} of {rounds}, {title} …", file=sys.stderr)
            here.send("go")
            here.recv()
    found = {}
    for title, (here, process) in workers.items():
        here.send(None)
        found[title] = Measured(*here.recv())
        process.join()
    place = torch.cuda.get_device_name() if device == "cuda" else f"threads: {threads}"
    shape = f"J is {rows} x {dim}, {chunk} tangents at a time"
    return f"{shape}; torch {torch.__version__}, {place}, the fastest of {rounds}", found


def table(case: Case, shared: str, found: dict[str, Measured]) -> str:
    """Set the rows of a case as a Markdown table under a line that says what they share."""
    lines = [f"`{case.model}`, `{case.region}`: {shared}.", ""]
    lines += ["| way | seconds | memory | x images | deviation |", "| --- | ---: | ---: | ---: | ---: |"]
    for title, row in found.items():
        told = f"{title} (extrapolated from {row.computed} rows)" if row.computed else title
        off = "" if row.deviation is None else f"{row.deviation:.0e}"
        ratio = row.seconds / found[BASE].seconds
        lines.append(f"| {told} | {short(row.seconds)} | {row.memory / 1e6:.0f} MB | {short(ratio)} | {off} |")
    return "\n".join(lines)


def short(number: float) -> str:
    """Write a number with two digits that count, or as a whole one."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def chosen(names: list[str], device: str, *, quick: bool) -> Iterator[Case]:
    """List the cases that were named, or all that this device is for."""
    for name, case in CASES.items():
        usual = name in QUICK if quick else not case.card or device == "cuda"
        if name in names or (not names and usual):
            yield case


def main() -> None:
    """Measure every case and print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", choices=[[], *CASES], help=", ".join(CASES))
    parser.add_argument("--quick", action="store_true", help="one small case, one round, fewer rows")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    for case in chosen(options.cases, options.device, quick=options.quick):
        if case.shape and importlib.util.find_spec("shapes") is None:
            print(f"{case.model} is left out: benchmarks/shapes.py is not there", file=sys.stderr)
            continue
        rounds = 1 if options.quick else options.rounds
        print(table(case, *measure(case, options.device, rounds, quick=options.quick)), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
