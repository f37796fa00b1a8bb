"""The ways to a Jacobian that benchmarks/jacobian.py compares, and the cases that it compares them on."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import Region, parse_region
from zoo.jacobian import linearize
from zoo.jacobian.cache import JacobianCache
from zoo.jacobian.columns import default_chunk, jacobian
from zoo.jacobian.gram import gram_matrices
from zoo.jacobian.linearize import LinearMap
from zoo.jacobian.operator import RegionJacobian
from zoo.jacobian.outputs import GREY
from zoo.linalg.krylov import block_krylov_eigsh
from zoo.testing import draw, in_float64

ROWS = {False: 64, True: 8}
"""How many rows of J are computed where its time is carried on to all of them; fewer for a quick look."""
COLUMNS = 8
"""How many columns are compared with the reference."""
PRODUCTS = ("convolution", "mm", "bmm", "addmm", "matmul", "linear")


@dataclass(frozen=True)
class Case:
    """A network and a region of its images; `shape` is a function of benchmarks/shapes.py and its resolution."""

    model: str
    region: str
    shape: tuple[str, int] | None = None
    card: bool = False  # for a graphics card only
    long: bool = False  # its codes are so long that a search pays

    def open(self, device: str) -> tuple[Adapter, Region]:
        """Load the network. Raises `ImportError` where there are no shapes."""
        if self.shape is None:
            model = zoo.load(self.model, device=device)
            return model.adapter, model.region(self.region)
        name, resolution = self.shape
        adapter: Adapter = getattr(importlib.import_module("benchmarks.shapes"), name)(resolution)
        adapter.network.to(device)
        return adapter, parse_region(self.region, adapter.resolution)


CASES = {
    "faces": Case("dcgan.digiface64", "all"),
    "mouth": Case("dcgan.digiface64", "mouth"),
    "eyes": Case("dcgan.omniart-eyes128", "all"),
    "spot": Case("dcgan.omniart-eyes128", "box:0.4,0.4,0.22,0.23"),  # 5 % of the picture
    "stylegan2": Case("StyleGAN2-shaped, 64²", "all", ("stylegan2", 64), long=True),
    "biggan": Case("BigGAN-shaped, 128²", "all", ("biggan", 128)),
    "stylegan2-256": Case("StyleGAN2-shaped, 256²", "all", ("stylegan2", 256), card=True, long=True),
    "stylegan2-1024": Case("StyleGAN2-shaped, 1024²", "all", ("stylegan2", 1024), card=True, long=True),
    "biggan-256": Case("BigGAN-shaped, 256²", "all", ("biggan", 256), card=True),
}


class Task:
    """A case at hand: the network, a code, the region, and the function whose derivative is taken."""

    def __init__(self, case: Case, device: str, *, quick: bool, folder: Path, exact: bool = False) -> None:
        self.adapter, self.region = case.open(device)
        if exact:
            self.adapter = in_float64(self.adapter)
        self.folder = folder  # for what is kept
        self.code: Codes = draw(self.adapter, 1, 0)
        self.dim, self.chunk = self.adapter.space.dim, default_chunk(self.adapter, self.region)
        self.origin = torch.zeros(self.dim, dtype=self.adapter.dtype, device=self.adapter.device)
        self.rows = len(self.region.pixels)
        step = max(1, self.rows // ROWS[quick])
        self.some = torch.arange(0, self.rows, step, device=self.origin.device)
        self.columns = torch.linspace(0, self.dim - 1, min(COLUMNS, self.dim)).long()

    def function(self, delta: Tensor) -> Tensor:
        """Map δ to the grey pixels of the region: (rows,)."""
        moved = self.adapter.move(self.code, delta)
        return GREY(self.adapter.region_output(moved, self.region), self.region)[0]


@dataclass(frozen=True)
class Inspected:
    """What one way found: J, or some `rows` of it, or M of a region; `seconds` where they are reckoned for all rows."""

    jacobian: Tensor | None = None
    rows: Tensor | None = None
    gram: Tensor | None = None
    region: Region | None = None
    seconds: float | None = None


Way = Callable[[Task], Callable[[], Inspected]]
"""Prepare a task, outside of what is timed, and return the work."""


def clock(device: torch.device) -> float:
    """Return the time in seconds, once a graphics card has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def one_by_one(task: Task) -> Callable[[], Inspected]:
    """One backward pass a row, as published: the seconds of some rows carried on to all, behind one forward pass."""

    def work() -> Inspected:
        delta = task.origin.clone().requires_grad_()
        start = clock(delta.device)
        with torch.enable_grad():
            pixels = task.function(delta)
            middle = clock(delta.device)
            rows = [torch.autograd.grad(pixels[row], delta, retain_graph=True)[0] for row in task.some]
        seconds = middle - start + (clock(delta.device) - middle) * task.rows / len(rows)
        return Inspected(torch.stack(rows), rows=task.some, seconds=seconds)

    return work


def reverse(task: Task) -> Callable[[], Inspected]:
    """torch.func.jacrev of some rows, 32 at a time; their seconds carried on in the same way."""

    def some(delta: Tensor) -> Tensor:
        return task.function(delta)[task.some]

    derivative = torch.func.jacrev(some, chunk_size=32)

    def work() -> Inspected:
        start = clock(task.origin.device)
        torch.func.vjp(some, task.origin)
        middle = clock(task.origin.device)
        rows = derivative(task.origin)
        once = middle - start
        backward = clock(task.origin.device) - middle - once
        return Inspected(rows, rows=task.some, seconds=once + backward * task.rows / len(task.some))

    return work


def forward(task: Task) -> Callable[[], Inspected]:
    """torch.func.jacfwd, which takes all tangents at once, made to take as many at a time as zoo does."""

    def along(tangent: Tensor) -> Tensor:
        derivative: Tensor = torch.func.jvp(task.function, (task.origin,), (tangent,))[1]
        return derivative

    columns = torch.func.vmap(along, chunk_size=task.chunk)
    basis = torch.eye(task.dim, dtype=task.origin.dtype, device=task.origin.device)
    return lambda: Inspected(columns(basis).T)


def exact(task: Task) -> Callable[[], Inspected]:
    """zoo.jacobian.columns.jacobian, the recording included."""
    return lambda: Inspected(jacobian(task.adapter, task.code, task.region))


def sketched(task: Task) -> Callable[[], Inspected]:
    """The ten leading directions, searched for by products with J and its transpose, the recording included."""

    def work() -> Inspected:
        operator = RegionJacobian(task.adapter, task.code, task.region)
        generator = torch.Generator().manual_seed(0)
        block_krylov_eigsh(operator.jvp, operator.vjp, task.dim, 10, generator=generator, max_cost=4.0 * task.dim)
        return Inspected()

    return work


def kept(task: Task) -> Callable[[], Inspected]:
    """M of this region (of the centre, where it is the whole image), after another one was asked for."""
    whole = parse_region("all", task.adapter.resolution)
    region = parse_region("center", task.adapter.resolution) if task.region.whole else task.region
    budget = ComputeBudget(cache=JacobianCache(task.folder, "benchmark"))
    gram_matrices(task.adapter, task.code, [whole], budget=budget)
    return lambda: Inspected(
        gram=gram_matrices(task.adapter, task.code, [region], budget=budget).matrices[0], region=region
    )


def floor(task: Task) -> Callable[[], Inspected]:
    """The convolutions and matrix products that all columns take, and nothing else."""
    with torch.no_grad():
        program = LinearMap(task.function, task.origin)._program
    parts = [part for part in program._parts if isinstance(part, linearize._Apply)]
    parts = [part for part in parts if part.step.function._schema.name.removeprefix("aten::") in PRODUCTS]
    sizes = [min(task.chunk, task.dim - start) for start in range(0, task.dim, task.chunk)]
    shapes = program._slot_shapes
    room = task.origin.new_ones(task.chunk * max(torch.Size(shape).numel() for shape in shapes.values()))

    def filled(size: int, shape: tuple[int, ...]) -> Tensor:
        return room[: size * torch.Size(shape).numel()].view(size, *shape)

    def work() -> Inspected:
        for size in sizes:
            for part in parts:
                linearize._apply(part, {slot: filled(size, shapes[slot]) for slot in part.inputs})
        return Inspected()

    return work


def counted_floor(task: Task) -> Callable[[], Inspected]:
    """The operations of those products, counted, at the rate of the device's own product of large float32 matrices."""
    products = floor(task)
    with FlopCounterMode(display=False) as counter:
        products()
    matrix = torch.rand(8192, 8192, device=task.origin.device)

    def work() -> Inspected:
        start = clock(matrix.device)
        for _ in range(8):
            matrix @ matrix
        rate = 8 * 2 * 8192**3 / (clock(matrix.device) - start)
        return Inspected(seconds=counter.get_total_flops() / rate)

    return work


def images(task: Task) -> Callable[[], Inspected]:
    """The plain forward pass of as many images as J has columns, as many at a time as zoo takes tangents."""
    codes = draw(task.adapter, task.dim, 1)

    def work() -> Inspected:
        for start in range(0, task.dim, task.chunk):
            task.adapter.synthesize(codes[start : start + task.chunk])
        return Inspected()

    return work


SEARCH = "zoo, sketched: ten directions"
BASE = "the images alone"
CARD_ONLY = "their operations, at the card's rate for matrices"
WAYS: dict[str, Way] = {
    "row by row, as published": one_by_one,
    "`torch.func.jacrev`": reverse,
    "`torch.func.jacfwd`, in chunks": forward,
    "zoo, exact": exact,
    SEARCH: sketched,
    "zoo, kept from another region": kept,
    "the convolutions alone": floor,
    CARD_ONLY: counted_floor,
    BASE: images,
}
"""The rows of a table: a further one needs an entry here, and what it finds as a `Inspected`."""
