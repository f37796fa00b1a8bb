"""Gram matrices of regions, M = JᵀJ / rows, from which directions are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo._utils.sizes import format_size
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import Region
from zoo.errors import CapabilityError, OptionError
from zoo.jacobian.gram_request import GramRequest
from zoo.jacobian.outputs import GREY, Output

# Codes whose matrices are summed before they are added to those of others: as many whatever computes them, so that the
# sum has the same bits. With fewer, more matrices would have to be sent between processes.
_GROUP = 8

# Numbers of a code up to which Gram matrices are computed: one of 8,192 x 8,192 takes 0.5 GB, and its eigenvectors four
# times as much and minutes.
_MOST_DIM = 8192


def is_large(dim: int) -> bool:
    """Tell whether a space is too large for Gram matrices, so that directions are searched for by products with J.

    Args:
        dim: The numbers of a code, or of each of its rows.

    Returns:
        Whether there are more than 8,192.
    """
    return dim > _MOST_DIM


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

    Where the budget has processes to spread the work over, each of them sums the matrices of a group of codes. With
    fewer codes than a group, each computes some columns of a Jacobian. The result has the same bits in all cases.

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
        OptionError: The budget does not suffice for a single derivative, or the space is large (see `is_large`).
        OutputError: Columns that do not fit into memory cannot be written to disk.
    """
    _require_small(adapter.space.dim)
    budget = budget or ComputeBudget()
    question = _Question(tuple(regions), None if layers is None else tuple(layers), output, budget)
    batch = question.requests(adapter)[0].codes_per_batch
    group = max(1, _GROUP // batch) * batch
    groups = [codes[start : start + group] for start in range(0, len(codes), group)]
    told = silent if budget.spread is None else progress  # which else hears of each Jacobian
    average = _GramAverage(adapter.space.dim, len(regions), len(codes), told)
    if budget.spread is not None and len(groups) > 1:
        question = replace(question, budget=replace(budget, spread=None))
        parts = [(question, part.to("cpu", part.latents.dtype)) for part in groups]
        budget.spread.each(_sum_of_part, parts, average.add)
    else:
        for part in groups:
            within = _part_of(progress, average.count, len(part), len(codes))
            average.add(_sum_over(adapter, question, part, within))
    return average.result()


def _require_small(dim: int) -> None:
    if is_large(dim):
        raise OptionError(
            f"codes have {dim:,} numbers, and matrices of {dim:,} x {dim:,} take {format_size(8 * dim**2)} each: use "
            "lowrank, nullspace or resefa, which search for directions without such a matrix (-o method=sketched)"
        )


@dataclass(frozen=True, eq=False)
class _Question:
    """What is asked about each code."""

    regions: tuple[Region, ...]
    layers: tuple[int, ...] | None
    output: Output
    budget: ComputeBudget

    def requests(self, adapter: Adapter) -> list[GramRequest]:
        """Make one request about all regions, or one for each region where the output mixes pixels."""
        groups = [self.regions] if self.output.per_pixel else [(region,) for region in self.regions]
        return [GramRequest(adapter, group, self.layers, self.output, self.budget) for group in groups]


# The sums of the matrices of some codes, how many codes, and how many tangents were computed at a time.
_Sums = tuple[list[Tensor], int, int]


def _sum_of_part(adapter: Adapter, part: tuple[_Question, Codes]) -> _Sums:
    """Sum the matrices of some codes in another process."""
    question, codes = part
    question = replace(question, output=question.output.to(adapter.device, adapter.dtype))
    return _sum_over(adapter, question, codes.to(adapter.device, adapter.dtype), silent)


def _sum_over(adapter: Adapter, question: _Question, codes: Codes, progress: Progress) -> _Sums:
    """Sum the matrices of each region over some codes, one code after another."""
    requests = question.requests(adapter)
    totals = [torch.zeros(adapter.space.dim, adapter.space.dim, dtype=torch.float64) for _ in question.regions]
    chunk, size = 1, requests[0].codes_per_batch
    for start in range(0, len(codes), size):
        batch = codes[start : start + size]
        of_batch = _part_of(progress, start, len(batch), len(codes))
        for grams_of_code in zip(*(request.compute(batch, of_batch) for request in requests), strict=True):
            matrices = [matrix for grams in grams_of_code for matrix in grams.matrices]
            totals = [total + matrix for total, matrix in zip(totals, matrices, strict=True)]
            chunk = max(chunk, *(grams.chunk for grams in grams_of_code))
        if question.budget.cache is not None:
            question.budget.cache.evict()
    return totals, len(codes), chunk


class _GramAverage:
    """Averages the matrices of some regions over codes, one group of codes after another."""

    def __init__(self, dim: int, regions: int, codes: int, progress: Progress) -> None:
        self._totals = [torch.zeros(dim, dim, dtype=torch.float64) for _ in range(regions)]
        self._codes, self._progress = codes, progress
        self._chunk = 1
        self.count = 0

    def add(self, sums: _Sums) -> None:
        """Add the sums of a group of codes."""
        matrices, count, chunk = sums
        self._totals = [total + matrix for total, matrix in zip(self._totals, matrices, strict=True)]
        self.count += count
        self._chunk = max(self._chunk, chunk)
        self._progress(self.count, self._codes, "derivatives")

    def result(self) -> Grams:
        return Grams([total / self.count for total in self._totals], self._chunk)


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
