"""Jacobians and images of networks of the published sizes: their time against the floor of their operations."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from zoo_adapters.stylegan2.adapter import StyleGAN2

from benchmarks import shapes
from benchmarks.gpu_checks.precision import without_tf32
from benchmarks.gpu_checks.results import Cell, Settings, attempt, compare, relative_deviation, typical_deviation
from zoo import Adapter, Codes, Region
from zoo.core import parse_region
from zoo.jacobian import RegionJacobian, default_chunk, gram_matrices
from zoo.testing import draw, in_float64

Build = Callable[[], Adapter]
COLUMNS = 4  # how many columns are compared with float64
TOLERANCE = 1e-4  # under TF32, most numbers deviate by about 1e-3
ROUNDS = 2
FACTORS = (0.25, 0.5, 1.0, 2.0)  # chunks that are timed, as multiples of zoo's own
ABOUT_JACOBIANS = (
    "All columns of the Jacobian of the whole image at one code, in float32 without TF32, in zoo's own chunks. The "
    "floor is the number of floating-point operations of as many images as there are columns, at the rate of a large "
    "product of matrices on this device. M is the Gram matrix that analyses use; its time includes copying the columns "
    f"to the CPU and summing there in float64. {COLUMNS} columns are compared with float64: the median of their "
    f"deviations must be at most {TOLERANCE:.0e} of the median of their values. The Frobenius norm of all deviations "
    "is given for information; it is that of a few pixels at which a ReLU's input is almost 0."
)
BATCH = 16
ABOUT_RENDERING = (
    f"Images a second, {BATCH} at a time, in float32 without TF32; networks of random weights in the published sizes. "
    "The floor is the number of floating-point operations of an image, at the rate of a large product of matrices."
)
ABOUT_CHUNKS = "Milliseconds a tangent where so many are computed at a time; the chunk that zoo chooses is marked by *."


def networks(*, quick: bool) -> dict[str, Build]:
    """List the networks that are timed, those of random weights in the published sizes.

    Args:
        quick: Whether one tiny network suffices.

    Returns:
        A function that builds the network, by name.
    """
    if quick:
        return {"StyleGAN2, tiny": partial(StyleGAN2.tiny, 0)}
    return {
        "StyleGAN2-shaped, 256²": partial(shapes.stylegan2, 256),
        "BigGAN-shaped, 256²": partial(shapes.biggan, 256),
        "StyleGAN3-T-shaped, 256²": partial(shapes.stylegan3, "t", 256),
        "StyleGAN2-shaped, 1024²": partial(shapes.stylegan2, 1024),
    }


def rendered(*, quick: bool) -> dict[str, Build]:
    """List the networks whose images are timed.

    Args:
        quick: Whether one tiny network suffices.

    Returns:
        A function that builds the network, by name.
    """
    if quick:
        return networks(quick=True)
    return networks(quick=False) | {
        "PGGAN-shaped, 1024²": partial(shapes.pggan, 1024),
        "StyleGAN-shaped, 1024²": partial(shapes.stylegan, 1024),
        "R3GAN-shaped, 256²": shapes.r3gan,
        "StyleGAN3-T-shaped, 1024²": partial(shapes.stylegan3, "t", 1024),
    }


def time_rendering(settings: Settings) -> Iterator[Cell]:
    """Time the images of each network.

    Args:
        settings: How the checks run.

    Yields:
        A row for each network.
    """
    with without_tf32(), torch.no_grad():
        rate = _matrix_rate(settings.device, 256 if settings.quick else 8192)
        for name, build in rendered(quick=settings.quick).items():
            needed = 0 if settings.quick else 8
            yield from attempt(name, partial(_time_images, name, build, rate, settings), settings, needed)


def _time_images(name: str, build: Build, rate: float, settings: Settings) -> Iterator[Cell]:
    adapter = build()
    adapter.network.to(settings.device)
    codes = draw(adapter, BATCH, 0)
    adapter.synthesize(codes)  # warms up
    seconds = _time(settings.device, lambda: adapter.synthesize(codes)) / BATCH
    yield Cell(name, "images a second", f"{1 / seconds:.3g}")
    yield Cell(name, "seconds ÷ floor", f"{seconds * rate / _count_operations(adapter, codes[0]):.3g}")


def time_jacobians(settings: Settings) -> Iterator[Cell]:
    """Time the Jacobian of each network.

    Args:
        settings: How the checks run.

    Yields:
        A row for each network, and one for the device.
    """
    with without_tf32():
        rate = _matrix_rate(settings.device, 256 if settings.quick else 8192)
        yield Cell("product of large matrices", "TFLOP/s", f"{rate / 1e12:.3g}")
        for name, build in networks(quick=settings.quick).items():
            needed = 0 if settings.quick else 45 if "1024" in name else 20
            yield from attempt(name, partial(_time_jacobian, name, build, rate, settings), settings, needed)


def time_chunks(settings: Settings) -> Iterator[Cell]:
    """Time products with more and fewer tangents at a time.

    Args:
        settings: How the checks run.

    Yields:
        A row for each network.
    """
    with without_tf32():
        for name, build in networks(quick=settings.quick).items():
            if "1024" not in name:
                needed = 0 if settings.quick else 15
                yield from attempt(name, partial(_time_chunk_sizes, name, build, settings), settings, needed)


def _open(build: Build, device: str) -> tuple[Adapter, Codes, Region]:
    adapter = build()
    adapter.network.to(device)
    return adapter, draw(adapter, 1, 0), parse_region("all", adapter.resolution)


def _time_jacobian(name: str, build: Build, rate: float, settings: Settings) -> Iterator[Cell]:
    adapter, code, region = _open(build, settings.device)
    operator, chunk = RegionJacobian(adapter, code, region), default_chunk(adapter, region)
    basis = torch.eye(adapter.space.dim, device=adapter.device)
    yield Cell(name, "columns", f"{len(basis)}, {chunk} at a time")
    floor = len(basis) * _count_operations(adapter, code) / rate
    operator.jvp(basis[:chunk])  # warms up
    resident = _allocated(settings.device)
    seconds = _time(settings.device, lambda: [None for part in basis.split(chunk) if operator.jvp(part) is None])
    yield Cell(name, "seconds", f"{seconds:.3g}")
    yield Cell(name, "floor", f"{floor:.3g}")
    yield Cell(name, "seconds ÷ floor", f"{seconds / floor:.3g}")
    if settings.device == "cuda":
        yield Cell(name, "GB", f"{(torch.cuda.max_memory_allocated() - resident) / 1e9:.2g}")
    found, exact = operator.jvp(basis[:COLUMNS]), _columns_in_float64(adapter, code, region)
    yield compare(name, "deviation", typical_deviation(found, exact), TOLERANCE)
    yield Cell(name, "in the norm", f"{relative_deviation(found, exact):.0e}")
    if settings.deadline.left() > 0 and (settings.quick or settings.deadline.left() > 6 * seconds + 20):
        seconds = _time(settings.device, lambda: gram_matrices(adapter, code, [region]), rounds=1)
        yield Cell(name, "seconds for M", f"{seconds:.3g}")


def _count_operations(adapter: Adapter, code: Codes) -> int:
    """Count the floating-point operations of one image: products of matrices and convolutions."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        adapter.synthesize(code)
    return int(counter.get_total_flops())


def _columns_in_float64(adapter: Adapter, code: Codes, region: Region) -> Tensor:
    exact = in_float64(adapter)
    operator = RegionJacobian(exact, code.to(exact.device, exact.dtype), region)
    basis = torch.eye(exact.space.dim, dtype=torch.float64, device=exact.device)
    return torch.cat([operator.jvp(axis[None]) for axis in basis[:COLUMNS]])


def _time_chunk_sizes(name: str, build: Build, settings: Settings) -> Iterator[Cell]:
    adapter, code, region = _open(build, settings.device)
    usual, dim = default_chunk(adapter, region), adapter.space.dim
    for factor in FACTORS:
        size = max(1, round(factor * usual))
        if size <= dim and settings.deadline.left() > 0:
            operator = RegionJacobian(adapter, code, region)
            milliseconds = 1000 * _time_of_product(settings.device, operator.jvp, size, dim) / size
            mark = " *" if factor == 1 else ""
            yield Cell(name, f"{factor:g} x zoo's", f"{milliseconds:.3g} ({size}){mark}")


def _time_of_product(device: str, products: Callable[[Tensor], Tensor], size: int, dim: int) -> float:
    tangents = torch.eye(dim, device=device)[:size]
    products(tangents)  # warms up
    return _time(device, lambda: products(tangents))


def _matrix_rate(device: str, side: int) -> float:
    """Measure the floating-point operations a second of a product of matrices in float32."""
    matrix = torch.rand(side, side, device=device)
    matrix @ matrix  # warms up
    count = 8
    seconds = _time(device, lambda: [matrix @ matrix for _ in range(count)])
    return count * 2 * side**3 / seconds


def _time(device: str, work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the wall-clock seconds of the fastest round."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    fastest = float("inf")
    for _ in range(rounds):
        start = _now(device)
        work()
        fastest = min(fastest, _now(device) - start)
    return fastest


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _allocated(device: str) -> int:
    return torch.cuda.memory_allocated() if device == "cuda" else 0
