"""Exact Jacobians of image regions, by forward mode: one product for each of the code's dimensions, in chunks.

Every Jacobian is that of δ ↦ region_output(move(codes, δ, layers)) at 0, so analysis and edit mean the same move.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from zoo.adapter import Adapter
from zoo.codes import Codes
from zoo.errors import CapabilityError, CheckpointError
from zoo.progress import Progress, silent
from zoo.region import Region

_CHUNK_PIXELS = 2**22
_BLOCK = 2**14
_NO_FORWARD_MODE = ("forward AD", "forward-mode", "does not have vmap support", "jvp")


def default_chunk(adapter: Adapter) -> int:
    """Choose how many tangents are pushed at a time: fewer for larger images, and the same on every machine."""
    height, width = adapter.resolution
    return max(1, min(adapter.space.dim, _CHUNK_PIXELS // (height * width)))


def jacobian(
    adapter: Adapter,
    code: Codes,
    region: Region,
    *,
    layers: Sequence[int] | None = None,
    chunk: int | None = None,
    grey: bool = True,
    progress: Progress = silent,
) -> Tensor:
    """Compute the Jacobian of a region at one code: (p, dim), or (3 p, dim), channel by channel, when not `grey`.

    Grey is the mean over channels. `chunk` tangents are pushed at a time; the result is bit-equal for an equal chunk,
    thread count and build. Raises `CapabilityError` if the network is not forward-mode differentiable.
    """
    if len(code) != 1:
        raise ValueError(f"a Jacobian is taken at one code, not {len(code)}")
    rows = None if layers is None else tuple(layers)

    def output(delta: Tensor) -> Tensor:
        pixels = adapter.region_output(adapter.move(code, delta, rows), region)[0]
        return pixels.mean(dim=0) if grey else pixels.flatten()

    size = min(chunk or default_chunk(adapter), adapter.space.dim)
    origin = torch.zeros(adapter.space.dim, dtype=adapter.dtype, device=adapter.device)
    basis = torch.eye(adapter.space.dim, dtype=adapter.dtype, device=adapter.device)

    def push(tangent: Tensor) -> Tensor:
        derivative: Tensor = torch.func.jvp(output, (origin,), (tangent,))[1]
        return derivative

    with torch.no_grad(), _without_torch_deprecation():
        try:
            parts: list[Tensor] = []
            for tangents in torch.split(basis, size):
                progress(len(parts) * size, len(basis), "Jacobian")
                parts.append(torch.func.vmap(push)(tangents))
        except (NotImplementedError, RuntimeError) as error:
            if not any(word in str(error) for word in _NO_FORWARD_MODE):
                raise
            reason = str(error).splitlines()[0]
            raise CapabilityError(f"this network has no forward-mode derivative: {reason}") from error
    progress(len(basis), len(basis), "Jacobian")
    return torch.cat(parts).T


def gram_matrices(
    adapter: Adapter,
    codes: Codes,
    regions: Sequence[Region],
    *,
    layers: Sequence[int] | None = None,
    chunk: int | None = None,
    progress: Progress = silent,
) -> list[Tensor]:
    """Compute M = JᵀJ / p of each region, averaged over codes: (dim, dim) float64 on the CPU, one a region.

    One pass over the network serves all regions of a code. Raises `CheckpointError` if a derivative is not finite.
    """
    union = Region(
        "+".join(region.text for region in regions), np.logical_or.reduce([region.mask for region in regions])
    )
    members = [torch.from_numpy(region.mask[union.mask]) for region in regions]
    totals = [torch.zeros(adapter.space.dim, adapter.space.dim, dtype=torch.float64) for _ in regions]
    for index in range(len(codes)):
        share = _part_of(progress, index, len(codes))
        whole = jacobian(adapter, codes[index], union, layers=layers, chunk=chunk, progress=share)
        if not bool(torch.isfinite(whole).all()):
            raise CheckpointError(f"the derivative at code {index} is not finite: the weights are damaged")
        rows = [whole[inside.to(whole.device)] for inside in members]
        totals = [total + _gram(part) / len(part) for total, part in zip(totals, rows, strict=True)]
    return [total / len(codes) for total in totals]


def _part_of(progress: Progress, index: int, count: int) -> Progress:
    """Tell of one Jacobian as a part of `count`, so that a single one of a large network is seen to move too."""
    return lambda done, total, _: progress(index * total + done, count * total, "derivatives")


def _gram(rows: Tensor) -> Tensor:
    """Compute JᵀJ in float64 on the CPU, some rows at a time, so that J is never copied whole."""
    blocks = (block.cpu().to(torch.float64) for block in torch.split(rows, _BLOCK))
    return torch.stack([block.T @ block for block in blocks]).sum(dim=0)


def require_change(matrix: Tensor, region: Region) -> None:
    """Raise `CapabilityError` if a region's Gram matrix is zero: then no direction moves it."""
    if not bool(matrix.any()):
        raise CapabilityError(f"region {region.text} does not change with the code: there is no direction to find")


@contextmanager
def _without_torch_deprecation() -> Iterator[None]:
    """Hide the one FutureWarning that torch's forward mode emits about its own use of torch.jit.script."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.*", category=FutureWarning)
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.*", category=DeprecationWarning)
        yield
