"""Gram matrices of regions, M = JᵀJ / rows: what directions are found from, and what is kept for the next question."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import Region
from zoo.errors import CapabilityError, OutputError
from zoo.jacobian.cache import CacheEntry, StoredColumns, fingerprint, temporary_entry
from zoo.jacobian.column_buffer import BufferedColumns, ColumnBuffer, read_rows
from zoo.jacobian.columns import ColumnStream, most_tangents
from zoo.jacobian.gram_tiles import from_tiles, make_tiles
from zoo.jacobian.outputs import GREY, Output

_BLOCK = 2**21
"""Numbers of J that are brought to float64 at a time."""
_RESERVED = 24 * _BLOCK
"""Bytes for that."""
_HELD = 2 * 10**9
"""Bytes of columns that are held in memory where there is no budget."""


@dataclass(frozen=True, eq=False)
class Grams:
    """Gram matrices M, one a region: (dim, dim) float64 on the CPU, averaged over codes.

    `chunk` tangents were pushed at a time. `snapped` has a line for each region whose matrix was put together from
    tiles that do not fit it exactly.
    """

    matrices: list[Tensor]
    chunk: int
    snapped: tuple[str, ...] = ()

    @property
    def provenance(self) -> dict[str, object]:
        """Return what a directions file should say of them."""
        return {"chunk": self.chunk, **({"snapped": list(self.snapped)} if self.snapped else {})}


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

    One pass over the network serves all regions of a code, unless the output mixes pixels. Memory does not grow with
    the number of codes. Raises `CheckpointError` if a derivative is not finite, `CapabilityError` if there is none,
    `OptionError` if the budget is too small, `OutputError` if columns that do not fit into memory cannot be written.
    """
    budget = budget or ComputeBudget()
    questions = _questions(adapter, regions, layers, output, budget)
    mean, step = _Mean(adapter.space.dim, len(regions)), questions[0].together
    for start in range(0, len(codes), step):
        group = codes[start : start + step]
        share = _part_of(progress, start, len(group), len(codes))
        for found in zip(*(question.ask(group, share) for question in questions), strict=True):
            mean.add(found)
        if budget.cache is not None:
            budget.cache.tidy()
    return mean.grams()


def kept_gram_matrices(
    adapter: Adapter,
    codes: Codes,
    regions: Sequence[Region],
    *,
    layers: Sequence[int] | None = None,
    output: Output = GREY,
    budget: ComputeBudget | None = None,
) -> Grams | None:
    """Return what `gram_matrices` would, if all of it is kept, and None if any of it had to be computed."""
    if budget is None or budget.cache is None:
        return None
    questions, mean = _questions(adapter, regions, layers, output, budget), _Mean(adapter.space.dim, len(regions))
    for index in range(len(codes)):
        found = [question.known(codes[index]) for question in questions]
        if any(grams is None for grams in found):
            return None
        mean.add([grams for grams in found if grams is not None])
    return mean.grams()


class _Mean:
    """Averages matrices over codes, one code after another."""

    def __init__(self, dim: int, regions: int) -> None:
        self._totals = [torch.zeros(dim, dim, dtype=torch.float64) for _ in range(regions)]
        self._count, self._chunk, self._snapped = 0, 1, dict[str, None]()

    def add(self, found: Sequence[Grams]) -> None:
        """Take the matrices of one code, in order of the regions."""
        matrices = [matrix for grams in found for matrix in grams.matrices]
        self._totals = [total + matrix for total, matrix in zip(self._totals, matrices, strict=True)]
        self._count += 1
        self._chunk = max(self._chunk, *(grams.chunk for grams in found))
        self._snapped |= dict.fromkeys(line for grams in found for line in grams.snapped)

    def grams(self) -> Grams:
        return Grams([total / self._count for total in self._totals], self._chunk, tuple(self._snapped))


def _questions(
    adapter: Adapter, regions: Sequence[Region], layers: Sequence[int] | None, output: Output, budget: ComputeBudget
) -> list[_GramRequest]:
    """Ask about all regions at once; about each by itself where the output mixes pixels."""
    sets = [tuple(regions)] if output.per_pixel else [(region,) for region in regions]
    chosen = None if layers is None else tuple(layers)
    return [_GramRequest(adapter, some, chosen, output, budget) for some in sets]


def require_change(matrix: Tensor, region: Region) -> None:
    """Raise `CapabilityError` if a region's Gram matrix is zero: then no direction moves it."""
    if not bool(matrix.any()):
        raise no_change(region)


def no_change(region: Region) -> CapabilityError:
    """Word the error of a region that no direction moves."""
    return CapabilityError(f"region {region.text} does not change with the code: there is no direction to find")


@dataclass(frozen=True, eq=False)
class _GramRequest:
    """Some regions of one network, and how their Gram matrices are to be found at any codes."""

    adapter: Adapter
    regions: tuple[Region, ...]
    layers: tuple[int, ...] | None
    output: Output
    budget: ComputeBudget

    @property
    def together(self) -> int:
        """How many codes are computed together: several where one of them leaves the machine idle."""
        if self.budget.memory is not None or self.budget.chunk is not None:
            return 1
        return max(1, most_tangents(self.adapter, union_of(self.regions)) // self.adapter.space.dim)

    def ask(self, codes: Codes, progress: Progress) -> list[Grams]:
        """Find the matrices at each code: in what is kept, if that is enough for all of them, or by computing."""
        known = [self.known(codes[index]) for index in range(len(codes))]
        found = [grams for grams in known if grams is not None]
        if len(found) == len(codes):
            progress(1, 1, "Jacobian")
            return found
        try:
            return self._compute(codes, union_of(self.regions), progress)
        except (OSError, SafetensorError):  # what was kept of it was deleted by another process meanwhile
            alone = replace(self, budget=replace(self.budget, cache=None))
            return alone._compute(codes, union_of(self.regions), progress)

    def _entry(self, code: Codes, pixels: Region) -> CacheEntry | None:
        """Return the place of what is kept of one code and some pixels."""
        keep = self.budget.cache
        if keep is None:
            return None
        return keep.entry(
            {
                "code": fingerprint(code.latents),
                "label": None if code.labels is None else code.labels.tolist(),
                "truncation": code.truncation,
                "layers": self.layers,
                "output": self.output.name,
                "pixels": "all" if pixels.whole else _digest(pixels),
            }
        )

    def known(self, code: Codes) -> Grams | None:
        """Find the matrices of one code in what is kept: of these pixels, else of the whole image, else in tiles."""
        union = union_of(self.regions)
        whole = Region("all", np.ones_like(union.mask))
        for pixels in (union, whole) if self.output.per_pixel and not union.whole else (union,):
            entry = self._entry(code, pixels)
            found = None if entry is None else self._from_columns(entry, pixels) or self._written(entry)
            if entry is not None and found is not None:
                entry.use()
                return found
        entry = self._entry(code, whole) if self.output.per_pixel else None
        pieces = None if entry is None else from_tiles(entry, self.regions)
        return None if pieces is None else Grams(*pieces)

    def _from_columns(self, entry: CacheEntry, pixels: Region) -> Grams | None:
        columns = entry.columns()
        with contextlib.suppress(OSError, SafetensorError):  # deleted by another process meanwhile
            if columns and columns[-1].end == self.adapter.space.dim:
                return self._summed(columns, pixels)
        return None

    def _written(self, entry: CacheEntry) -> Grams | None:
        """Read the matrices that were written down when their columns were too large to keep."""
        found = [entry.read(_name(region), "matrix", "chunk") for region in self.regions]
        kept = [tensors for tensors in found if tensors is not None]
        if len(kept) < len(found):
            return None
        return Grams([tensors["matrix"] for tensors in kept], int(kept[0]["chunk"]))

    def _compute(self, codes: Codes, union: Region, progress: Progress) -> list[Grams]:
        """Compute the columns at some codes together, from where an interrupted run stopped."""
        size = self.adapter.space.dim * self.output.rows(union) * self.adapter.dtype.itemsize * len(codes)
        room = _HELD if self.budget.memory is None else self.budget.memory // 4
        columns = ColumnStream(
            self.adapter,
            codes,
            union,
            layers=self.layers,
            output=self.output,
            budget=self.budget,
            reserved=_RESERVED + min(size, room),
        )
        with contextlib.ExitStack() as stack:
            entries = [self._entry(codes[index], union) for index in range(len(codes))]
            if size > room:
                entries = [entry or stack.enter_context(temporary_entry()) for entry in entries]
            shelves = [ColumnBuffer(entry, held=size <= room, chunk=columns.chunk, room=room) for entry in entries]
            done = min(shelf.end for shelf in shelves)
            for start, part in columns.compute(done, progress):
                for shelf, share in zip(shelves, part.cpu().chunk(len(shelves), dim=1), strict=True):
                    shelf.add(start, share)
            return [self._finish(shelf, entry, union) for shelf, entry in zip(shelves, entries, strict=True)]

    def _finish(self, shelf: ColumnBuffer, entry: CacheEntry | None, union: Region) -> Grams:
        """Sum the columns of one code up, and keep what is worth keeping."""
        shelf.flush()
        grams = self._summed(shelf.stretches, union)
        keep = self.budget.cache
        if keep is not None and entry is not None and shelf.size > keep.largest:
            with contextlib.suppress(OutputError):
                for region, matrix in zip(self.regions, grams.matrices, strict=True):
                    entry.write(_name(region), {"matrix": matrix, "chunk": torch.tensor(grams.chunk)})
                if union.whole and self.output.per_pixel:
                    make_tiles(entry, shelf.stretches, self.adapter.resolution, keep.tile, self.output.per_pixel)
                entry.drop_columns()
        return grams

    def _summed(self, stretches: Sequence[StoredColumns | BufferedColumns], pixels: Region) -> Grams:
        """Compute M of each region from the columns of `pixels`."""
        inside = [region.mask[pixels.mask] for region in self.regions] if self.output.per_pixel else [np.ones(1, bool)]
        repeats = self.output.per_pixel or stretches[0].rows
        matrices = sums_of_squares(stretches, [np.repeat(mask, repeats) for mask in inside])
        return Grams(matrices, max(stretch.chunk for stretch in stretches))


def sums_of_squares(
    stretches: Sequence[StoredColumns | BufferedColumns], members: Sequence[NDArray[np.bool_]]
) -> list[Tensor]:
    """Compute JᵀJ / rows over each set of rows, in float64, a block of rows at a time: (dim, dim) each.

    Rows are grouped by which sets they are in, so that each is multiplied once. Raises `OSError`, `SafetensorError` if
    columns on disk are gone.
    """
    dim = stretches[-1].end
    groups = sum(mask.astype(np.int64) << place for place, mask in enumerate(members))
    owners = torch.from_numpy(np.asarray(groups))
    sums = {int(key): torch.zeros(dim, dim, dtype=torch.float64) for key in owners.unique() if key}
    step = max(1, _BLOCK // dim)
    for first in range(0, len(owners), step):
        owner = owners[first : first + step]
        block = read_rows(stretches, first, first + len(owner)).to(torch.float64)
        for key in sums:
            mine = owner == key
            rows = block if bool(mine.all()) else block[mine]
            sums[key] += rows.T @ rows
    return [
        torch.stack([total for key, total in sums.items() if key >> place & 1]).sum(dim=0) / int(mask.sum())
        for place, mask in enumerate(members)
    ]


def union_of(regions: Sequence[Region]) -> Region:
    """Join regions into one."""
    mask = np.logical_or.reduce([region.mask for region in regions])
    return Region("+".join(region.text for region in regions), mask)


def _digest(region: Region) -> str:
    return fingerprint(torch.from_numpy(np.packbits(region.mask)))


def _name(region: Region) -> str:
    return f"gram-{_digest(region)}"


def _part_of(progress: Progress, start: int, count: int, total: int) -> Progress:
    """Tell of the Jacobians of `count` codes as a part of `total`, so that a single large one is seen to move too."""
    return lambda done, steps, _: progress(start * steps + done * count, total * steps, "derivatives")
