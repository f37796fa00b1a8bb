"""TF32: that zoo's derivatives do not use it, whatever the process allows, and that the check would notice."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from zoo_adapters.stylegan2.adapter import StyleGAN2

from benchmarks import shapes
from benchmarks.gpu_checks.results import (
    Cell,
    Settings,
    attempt,
    compare,
    exceeds,
    relative_deviation,
    without_deprecation,
)
from zoo.core import parse_region
from zoo.jacobian import RegionJacobian, gram_matrices
from zoo.testing import draw, in_float64, render

VISIBLE = 1e-4  # deviations under TF32 (10 bits of mantissa) lie above, those of float32 below
VECTORS = 4
ABOUT = (
    "A process allows TF32 in one of torch's three ways, and then float32 is compared with float64 on the GPU. A "
    f"product of matrices, a convolution and torch's own derivative must deviate by more than {VISIBLE:.0e}, relative, "
    "or else TF32 is not active and the check shows nothing. Products of zoo's Jacobian with vectors, those of its "
    f"transpose and the Gram matrix must deviate by at most {VISIBLE:.0e}, and the settings must be the same "
    "afterwards. Sampling follows the settings of the process; its deviation is given for information."
)


def _allow_by_switches() -> None:
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True


def _allow_by_precision() -> None:
    convolution: Any = getattr(torch.backends.cudnn, "conv", None)
    for backend in (torch.backends.cuda.matmul, convolution):
        backend.fp32_precision = "tf32"


def _allow_by_matmul_precision() -> None:
    torch.set_float32_matmul_precision("high")


WAYS: dict[str, Callable[[], None]] = {
    "`allow_tf32 = True`": _allow_by_switches,
    '`set_float32_matmul_precision("high")`': _allow_by_matmul_precision,
    '`fp32_precision = "tf32"`': _allow_by_precision,
}


@contextmanager
def without_tf32() -> Iterator[None]:
    """Compute float32 products on the GPU without TF32, in images too; the settings are restored afterwards."""
    # torch 2.9 has a setting for each backend, earlier ones a switch.
    backends: list[Any] = [torch.backends.cuda.matmul, getattr(torch.backends.cudnn, "conv", torch.backends.cudnn)]
    attribute, off = ("fp32_precision", "ieee") if hasattr(backends[0], "fp32_precision") else ("allow_tf32", False)
    before = [getattr(backend, attribute) for backend in backends]
    try:
        for backend in backends:
            setattr(backend, attribute, off)
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            setattr(backend, attribute, value)


def checks(settings: Settings) -> Iterator[Cell]:
    """Check each way to allow TF32, in a process of its own.

    Args:
        settings: How the checks run.

    Yields:
        A row for each way.
    """
    if settings.device != "cuda":
        yield Cell("the CPU", "remark", "skipped: it has no TF32")
        return
    if torch.cuda.get_device_capability() < (8, 0):
        yield Cell(torch.cuda.get_device_name(), "remark", "skipped: it has no TF32")
        return
    for way in WAYS:
        if "fp32_precision" not in way or hasattr(torch.backends.cuda.matmul, "fp32_precision"):
            yield from attempt(way, partial(_in_own_process, way, settings), settings, needed=20)


def _in_own_process(way: str, settings: Settings) -> list[Cell]:
    # torch refuses to read settings that were made in two ways, so that they cannot share a process.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(check_way, (way, settings.device, settings.quick))


def check_way(way: str, device: str, quick: bool) -> list[Cell]:
    """Allow TF32 in this process, and compare what torch and zoo compute with float64.

    Args:
        way: A key of `WAYS`.
        device: ``cuda``, or ``cpu``, where nothing that torch computes deviates.
        quick: Whether a small network suffices.

    Returns:
        A row.
    """
    WAYS[way]()
    before = tf32_settings()
    found = {column: exceeds(way, column, value, VISIBLE) for column, value in _deviations_of_torch(device).items()}
    adapter = StyleGAN2.tiny(0) if quick else shapes.stylegan2(64)
    adapter.network.to(device)
    exact = in_float64(adapter)
    code, region = draw(adapter, 1, 0), parse_region("all", adapter.resolution)
    tangents = torch.randn(VECTORS, adapter.space.dim, generator=torch.Generator().manual_seed(0))
    operators = [RegionJacobian(one, code.to(one.device, one.dtype), region) for one in (adapter, exact)]
    forward, expected = (operator.jvp(tangents) for operator in operators)
    reverse, expected_reverse = (operator.vjp(expected) for operator in operators)
    grams = [gram_matrices(one, code.to(one.device, one.dtype), [region]).matrices[0] for one in (adapter, exact)]
    cells = [
        *found.values(),
        compare(way, "zoo, forward", relative_deviation(forward, expected), VISIBLE),
        compare(way, "zoo, reverse", relative_deviation(reverse, expected_reverse), VISIBLE),
        compare(way, "zoo, Gram", relative_deviation(*grams), VISIBLE),
        Cell(way, "settings after", "the same" if tf32_settings() == before else "changed", tf32_settings() == before),
    ]
    images = relative_deviation(render(adapter, code), render(exact, code.to(exact.device, exact.dtype)))
    return [*cells, Cell(way, "sampling (information)", f"{images:.0e}")]


def _deviations_of_torch(device: str) -> dict[str, float]:
    """Compute how far products in float32 are from those in float64 where torch decides how they are computed."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(512, 512, generator=generator).to(device) for _ in range(2))
    maps = torch.randn(8, 64, 32, 32, generator=generator).to(device)
    weight = torch.randn(64, 64, 3, 3, generator=generator).to(device)

    def convolve(dtype: torch.dtype) -> Tensor:
        return functional.conv2d(maps.to(dtype), weight.to(dtype), padding=1)

    def differentiate(dtype: torch.dtype) -> Tensor:
        primal, tangent = left.to(dtype), right.to(dtype)
        with without_deprecation():
            derivative: Tensor = torch.func.jvp(lambda matrix: matrix @ primal, (primal,), (tangent,))[1]
        return derivative

    return {
        "torch, matrices": relative_deviation(left @ right, left.double() @ right.double()),
        "torch, convolution": relative_deviation(convolve(torch.float32), convolve(torch.float64)),
        "torch, derivative": relative_deviation(differentiate(torch.float32), differentiate(torch.float64)),
    }


def tf32_settings() -> dict[str, str]:
    """Read every setting of torch that decides about TF32.

    Returns:
        Each setting as text; for one that cannot be read, why not.
    """
    readers: dict[str, Callable[[], object]] = {
        "matmul switch": lambda: torch.backends.cuda.matmul.allow_tf32,
        "cudnn switch": lambda: torch.backends.cudnn.allow_tf32,
        "matmul precision": torch.get_float32_matmul_precision,
        "matmul": lambda: getattr(torch.backends.cuda.matmul, "fp32_precision", None),
        "convolution": lambda: getattr(getattr(torch.backends.cudnn, "conv", None), "fp32_precision", None),
    }
    return {name: _read(reader) for name, reader in readers.items()}


def _read(reader: Callable[[], object]) -> str:
    try:
        return str(reader())
    except RuntimeError as error:  # settings that were made in two ways
        return str(error).splitlines()[0]
