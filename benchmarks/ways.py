"""The ways to compute a Jacobian that benchmarks/jacobian.py compares, and the cases on which it compares them."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, compress
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import zoo
from benchmarks.products import Product, compute_all, memory_for, products_of
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import Region, parse_region
from zoo.jacobian.cache import JacobianCache
from zoo.jacobian.columns import default_chunk, jacobian
from zoo.jacobian.gram import gram_matrices
from zoo.jacobian.operator import RegionJacobian
from zoo.jacobian.outputs import GREY
from zoo.linalg.krylov import block_krylov_eigsh
from zoo.testing import draw, in_float64

ROWS = {False: 64, True: 8}  # rows of J that are computed where its time is extrapolated, normally and for a quick look
COLUMNS = 8  # columns that are compared with the reference


@dataclass(frozen=True)
class Case:
    """A network and a region of its images.

    Attributes:
        model: The name of the model, or a description of a network with random weights.
        region: The region, as the command line spells it.
        shape: A function of benchmarks/shapes.py and its resolution, for a network with random weights.
        card: Whether the case is for GPUs only.
        long: Whether codes are so long that a search pays.
    """

    model: str
    region: str
    shape: tuple[str, int] | None = None
    card: bool = False
    long: bool = False

    def open(self, device: str) -> tuple[Adapter, Region]:
        """Load the network.

        Args:
            device: A device of torch.

        Returns:
            The network and the region.

        Raises:
            ImportError: benchmarks/shapes.py is not there.
        """
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
    """A case with its network loaded: a code, the region, and the function whose derivative is taken.

    Args:
        case: The case.
        device: A device of torch.
        quick: Whether fewer rows are computed where the time is extrapolated.
        folder: Folder of the cache.
        exact: Whether the network computes in float64.
    """

    def __init__(self, case: Case, device: str, *, quick: bool, folder: Path, exact: bool = False) -> None:
        self.adapter, self.region = case.open(device)
        if exact:
            self.adapter = in_float64(self.adapter)
        self.folder = folder
        self.code: Codes = draw(self.adapter, 1, 0)
        self.dim = self.adapter.space.dim
        self.chunk = default_chunk(self.adapter, self.region)
        self.origin = torch.zeros(self.dim, dtype=self.adapter.dtype, device=self.adapter.device)
        self.rows = len(self.region.pixels)
        step = max(1, self.rows // ROWS[quick])
        self.some = torch.arange(0, self.rows, step, device=self.origin.device)
        self.columns = torch.linspace(0, self.dim - 1, min(COLUMNS, self.dim)).long()

    def function(self, delta: Tensor) -> Tensor:
        """Render the grey pixels of the region at the moved code.

        Args:
            delta: δ, (dim,).

        Returns:
            The pixels, (rows,).
        """
        moved = self.adapter.move(self.code, delta)
        return GREY(self.adapter.region_output(moved, self.region), self.region)[0]


@dataclass(frozen=True)
class Inspected:
    """The result of one way.

    Attributes:
        jacobian: J, or some rows of it; None where the way does not compute it.
        rows: The indices of these rows; None for all.
        gram: M of a region; None where the way does not compute it.
        region: That region.
        seconds: The extrapolated time, where only some rows were computed.
    """

    jacobian: Tensor | None = None
    rows: Tensor | None = None
    gram: Tensor | None = None
    region: Region | None = None
    seconds: float | None = None


# Prepares a task, outside of what is timed, and returns the work.
Way = Callable[[Task], Callable[[], Inspected]]


def clock(device: torch.device) -> float:
    """Return the time once a GPU has finished its work.

    Args:
        device: The device that works.

    Returns:
        The time in seconds.
    """
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def one_by_one(task: Task) -> Callable[[], Inspected]:
    """One backward pass for each row, as published; the time of some rows is extrapolated to all.

    Args:
        task: The case with its network.

    Returns:
        The work to measure.
    """

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
    """torch.func.jacrev of some rows, 32 at a time; their time is extrapolated to all.

    Args:
        task: The case with its network.

    Returns:
        The work to measure.
    """

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
    """torch.func.jacfwd with chunks of the size that zoo takes.

    Args:
        task: The case with its network.

    Returns:
        The work to measure.
    """

    def along(tangent: Tensor) -> Tensor:
        derivative: Tensor = torch.func.jvp(task.function, (task.origin,), (tangent,))[1]
        return derivative

    columns = torch.func.vmap(along, chunk_size=task.chunk)
    basis = torch.eye(task.dim, dtype=task.origin.dtype, device=task.origin.device)
    return lambda: Inspected(columns(basis).T)


def exact(task: Task) -> Callable[[], Inspected]:
    """zoo.jacobian.jacobian, with all that it does besides.

    Args:
        task: The case with its network.

    Returns:
        The work to measure.
    """
    return lambda: Inspected(jacobian(task.adapter, task.code, task.region))


def sketched(task: Task) -> Callable[[], Inspected]:
    """The ten leading directions, searched for by products with J and its transpose.

    Args:
        task: The case with its network.

    Returns:
        The work to measure.
    """

    def work() -> Inspected:
        operator = RegionJacobian(task.adapter, task.code, task.region)
        generator = torch.Generator().manual_seed(0)
        block_krylov_eigsh(operator.jvp, operator.vjp, task.dim, 10, generator=generator, max_cost=4.0 * task.dim)
        return Inspected()

    return work


def cached(task: Task) -> Callable[[], Inspected]:
    """M of this region, asked for again.

    Args:
        task: The case with its network.

    Returns:
        The work to measure.
    """
    budget = ComputeBudget(cache=JacobianCache(task.folder, "benchmark"))
    gram_matrices(task.adapter, task.code, [task.region], budget=budget)
    return lambda: Inspected(
        gram=gram_matrices(task.adapter, task.code, [task.region], budget=budget).matrices[0], region=task.region
    )


def jvp_products(task: Task, tangents: int) -> list[Product]:
    """List the products that a derivative takes.

    Args:
        task: The case with its network.
        tangents: How many tangents are computed at a time.

    Returns:
        The products in order.
    """
    operator = RegionJacobian(task.adapter, task.code, task.region)
    return products_of(lambda: operator.jvp(task.origin.new_ones(tangents, task.dim)))


def floor(task: Task) -> Callable[[], Inspected]:
    """The convolutions and matrix products that all columns take, and nothing else.

    Args:
        task: The case with its network.

    Returns:
        The work to measure.
    """
    # Products whose shapes depend on the number of tangents; the others are those of the image itself.
    both = zip(jvp_products(task, 2), jvp_products(task, 3), strict=True)
    depend = [[one.shape for one in two.layouts] != [one.shape for one in three.layouts] for two, three in both]
    sizes = [min(task.chunk, task.dim - start) for start in range(0, task.dim, task.chunk)]
    products = {size: list(compress(jvp_products(task, size), depend)) for size in set(sizes)}
    memory = memory_for(chain.from_iterable(products.values()), task.origin)

    def work() -> Inspected:
        for size in sizes:
            compute_all(products[size], memory)
        return Inspected()

    return work


def counted_floor(task: Task) -> Callable[[], Inspected]:
    """The counted operations of those products, at the rate of the device's product of large float32 matrices.

    Args:
        task: The case with its network.

    Returns:
        The work to measure.
    """
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
    """The forward pass of as many images as J has columns, as many at a time as zoo takes tangents.

    Args:
        task: The case with its network.

    Returns:
        The work to measure.
    """
    codes = draw(task.adapter, task.dim, 1)

    def work() -> Inspected:
        for start in range(0, task.dim, task.chunk):
            task.adapter.synthesize(codes[start : start + task.chunk])
        return Inspected()

    return work


SEARCH = "zoo, sketched: ten directions"
BASE = "the images alone"
CARD_ONLY = "their operations, at the card's rate for matrices"
# The rows of a table: a further one needs an entry here, and what it finds as an `Inspected`.
WAYS: dict[str, Way] = {
    "row by row, as published": one_by_one,
    "`torch.func.jacrev`": reverse,
    "`torch.func.jacfwd`, in chunks": forward,
    "zoo, exact": exact,
    SEARCH: sketched,
    "zoo, from the cache": cached,
    "the convolutions alone": floor,
    CARD_ONLY: counted_floor,
    BASE: images,
}
