"""Running out of memory: zoo halves the number of tangents until they fit, and finds the same Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from unittest import mock

import torch
from torch import Tensor
from zoo_adapters.stylegan2.adapter import StyleGAN2

from benchmarks import shapes
from benchmarks.gpu_checks.precision import without_tf32
from benchmarks.gpu_checks.results import Cell, Settings, attempt, compare, typical_deviation
from zoo import Adapter, Codes, Region
from zoo.core import ComputeBudget, parse_region
from zoo.jacobian import RegionJacobian, jacobian
from zoo.testing import draw

CHUNK = 64
SHARES = (0.7, 0.5, 0.35, 0.25)  # of the memory that the derivatives took, tried in this order
TOLERANCE = 1e-4
ABOUT = (
    f"A Jacobian in chunks of {CHUNK} tangents, and again with the memory of the process limited to a share of what "
    "that took, so that the allocator raises an error. The error must be raised, the tangents must be fewer "
    f"afterwards, and the median deviation of the Jacobian must be at most {TOLERANCE:.0e} of the median of its "
    "values, in float32 without TF32."
)


def checks(settings: Settings) -> Iterator[Cell]:
    """Limit the memory, and compare the Jacobians.

    Args:
        settings: How the checks run.

    Yields:
        A row.
    """
    small = settings.quick or settings.device != "cuda"
    name = "StyleGAN2, tiny" if small else "StyleGAN2-shaped, 128²"
    build = partial(StyleGAN2.tiny, 0) if small else partial(shapes.stylegan2, 128)
    yield from attempt(name, partial(_compare_halved, name, build, settings.device), settings, needed=30)


def _compare_halved(name: str, build: Callable[[], Adapter], device: str) -> Iterator[Cell]:
    adapter = build()
    adapter.network.to(device)
    code, region = draw(adapter, 1, 0), parse_region("all", adapter.resolution)
    chunk = min(CHUNK, adapter.space.dim)
    with without_tf32():
        whole = _differentiate(adapter, code, region, chunk)  # also allocates what libraries keep for themselves
        for limit in _limits(adapter, code, region, chunk):
            with limit, _watched_products() as sizes:
                before = _count_of_errors()
                found = _differentiate(adapter, code, region, chunk)
                errors = _count_of_errors() - before
            if errors or device != "cuda":
                break
    if device == "cuda":
        yield Cell(name, "errors of the allocator", str(errors), errors > 0)
    # The first chunks may fit, since the columns found so far take memory too.
    yield Cell(name, "tangents at a time, in the end", str(min(sizes)), min(sizes) < chunk)
    yield compare(name, "deviation", typical_deviation(found, whole), TOLERANCE)


def _differentiate(adapter: Adapter, code: Codes, region: Region, chunk: int) -> Tensor:
    return jacobian(adapter, code, region, budget=ComputeBudget(chunk=chunk)).cpu()


def _limits(adapter: Adapter, code: Codes, region: Region, chunk: int) -> Iterator[AbstractContextManager[object]]:
    """Yield ever smaller limits of memory; on the CPU one that raises the error itself."""
    if adapter.device.type != "cuda":
        yield _no_more_than(chunk // 2)
        return
    torch.cuda.empty_cache()
    resident = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    _differentiate(adapter, code, region, chunk)
    needed = torch.cuda.max_memory_allocated() - resident
    for share in SHARES:
        torch.cuda.empty_cache()
        yield _memory_limit(resident + int(share * needed))


@contextmanager
def _memory_limit(size: int) -> Iterator[None]:
    """Let the allocator of this process take so many bytes."""
    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    torch.cuda.set_per_process_memory_fraction(size / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@contextmanager
def _no_more_than(size: int) -> Iterator[None]:
    """Raise torch's error for more tangents than so many."""
    original = RegionJacobian.jvp

    def jvp(operator: RegionJacobian, tangents: Tensor) -> Tensor:
        if len(tangents) > size:
            raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
        return original(operator, tangents)

    with mock.patch.object(RegionJacobian, "jvp", jvp):
        yield


@contextmanager
def _watched_products() -> Iterator[list[int]]:
    """List of how many tangents each product that succeeded was."""
    original = RegionJacobian.jvp
    sizes: list[int] = []

    def jvp(operator: RegionJacobian, tangents: Tensor) -> Tensor:
        products = original(operator, tangents)
        sizes.append(len(tangents))
        return products

    with mock.patch.object(RegionJacobian, "jvp", jvp):
        yield sizes


def _count_of_errors() -> int:
    """Return how often the allocator has raised its error in this process."""
    return int(torch.cuda.memory_stats()["num_ooms"]) if torch.cuda.is_initialized() else 0
