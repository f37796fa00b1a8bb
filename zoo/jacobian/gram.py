"""Gram matrices of regions, M = JᵀJ / rows, from which directions are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import Region
from zoo.errors import CapabilityError
from zoo.jacobian.gram_request import CodeGrams, GramRequest
from zoo.jacobian.outputs import GREY, Output


@dataclass(frozen=True, eq=False)
class Grams:
    """Gram matrices of some regions, averaged over codes.

    Attributes:
        matrices: M of each region, (dim, dim) float64 on the CPU.
        chunk: How many tangents were computed at a time.
    """

    matrices: list[Tensor]
    chunk: int

    @property
    def provenance(self) -> dict[str, object]:
        """What a directions file records about them."""
        return {"chunk": self.chunk}


def gram_matrices(
    adapter: Adapter,
    codes: Codes,
    regions: Sequence[Region],
    *,
    layers: Sequence[int] | None = None,
    output: Output = GREY,
    budget: ComputeBudget | None = None,
    progress: Progress = silent,
) -> Grams:
    """Compute M = JᵀJ / rows of each region, averaged over codes.

    The Jacobian of the union of all regions is computed once for a code, unless the output mixes pixels: then each
    region has a Jacobian of its own. Memory does not grow with the number of codes. With a cache, an equal request
    about an equal code is answered from it, to the last bit.

    Args:
        adapter: The network.
        codes: The codes to average over.
        regions: The regions, which may overlap.
        layers: Indices of the rows of the codes that are moved; None moves all.
        output: The map of a region's pixels that is differentiated.
        budget: The memory, the size of a chunk, and the cache; None leaves the first two to zoo and caches nothing.
        progress: Told how much is done.

    Returns:
        The matrices, in order of the regions.

    Raises:
        CapabilityError: The network has no forward-mode derivative.
        CheckpointError: A derivative is not finite.
        OptionError: The budget does not suffice for a single derivative.
        OutputError: Columns that do not fit into memory cannot be written to disk.
    """
    budget = budget or ComputeBudget()
    requests = _split_by_region(adapter, regions, layers, output, budget)
    average = _GramAverage(adapter.space.dim, len(regions))
    codes_per_batch = requests[0].codes_per_batch
    for start in range(0, len(codes), codes_per_batch):
        batch = codes[start : start + codes_per_batch]
        batch_progress = _part_of(progress, start, len(batch), len(codes))
        for grams_of_code in zip(*(request.compute(batch, batch_progress) for request in requests), strict=True):
            average.add(grams_of_code)
        if budget.cache is not None:
            budget.cache.evict()
    return average.result()


class _GramAverage:
    """Averages the matrices of some regions over codes, one code after another."""

    def __init__(self, dim: int, regions: int) -> None:
        self._totals = [torch.zeros(dim, dim, dtype=torch.float64) for _ in range(regions)]
        self._count = 0
        self._chunk = 1

    def add(self, grams_of_code: Sequence[CodeGrams]) -> None:
        """Add the matrices of one code, in order of the regions."""
        matrices = [matrix for grams in grams_of_code for matrix in grams.matrices]
        self._totals = [total + matrix for total, matrix in zip(self._totals, matrices, strict=True)]
        self._count += 1
        self._chunk = max(self._chunk, *(grams.chunk for grams in grams_of_code))

    def result(self) -> Grams:
        return Grams([total / self._count for total in self._totals], self._chunk)


def _split_by_region(
    adapter: Adapter, regions: Sequence[Region], layers: Sequence[int] | None, output: Output, budget: ComputeBudget
) -> list[GramRequest]:
    """Make one request about all regions, or one for each region where the output mixes pixels."""
    groups = [tuple(regions)] if output.per_pixel else [(region,) for region in regions]
    rows = None if layers is None else tuple(layers)
    return [GramRequest(adapter, group, rows, output, budget) for group in groups]


def require_change(matrix: Tensor, region: Region) -> None:
    """Require that the code changes a region.

    Args:
        matrix: The region's Gram matrix, (dim, dim).
        region: The region.

    Raises:
        CapabilityError: The matrix is zero, so that no direction changes the region.
    """
    if not bool(matrix.any()):
        raise no_change(region)


def no_change(region: Region) -> CapabilityError:
    """Make the error about a region that no direction changes.

    Args:
        region: The region.

    Returns:
        The error, to be raised.
    """
    return CapabilityError(f"region {region.text} does not change with the code: there is no direction to find")


def _part_of(progress: Progress, start: int, count: int, total: int) -> Progress:
    """Report the Jacobians of `count` codes as a part of `total`, so that the bar moves within a large one too."""
    return lambda done, steps, _: progress(start * steps + done * count, total * steps, "derivatives")
