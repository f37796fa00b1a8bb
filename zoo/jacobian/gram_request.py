"""One request for Gram matrices at single codes, answered from the cache or by computing a Jacobian."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from zoo._utils.progress import Progress
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import Region
from zoo.errors import OutputError
from zoo.jacobian.cache import CacheEntry, fingerprint, temporary_entry
from zoo.jacobian.column_buffer import ColumnBuffer
from zoo.jacobian.columns import ColumnStream, max_tangents
from zoo.jacobian.outputs import Output
from zoo.jacobian.stored_columns import Columns, read_rows

_BLOCK = 2**21  # numbers of J that are converted to float64 at a time
_BLOCK_BYTES = 24 * _BLOCK  # for such a block: in float64, in its own dtype, and transposed
_MAX_BUFFERED = 2 * 10**9  # bytes of columns that stay in memory where there is no budget


@dataclass(frozen=True, eq=False)
class CodeGrams:
    """Gram matrices of some regions at one code.

    Attributes:
        matrices: M of each region, (dim, dim) float64 on the CPU.
        chunk: How many tangents were computed at a time.
    """

    matrices: list[Tensor]
    chunk: int


@dataclass(frozen=True, eq=False)
class GramRequest:
    """Some regions of one network whose Gram matrices come from one Jacobian at each code.

    Attributes:
        adapter: The network.
        regions: The regions, which may overlap.
        layers: Indices of the rows of a code that are moved; None moves all.
        output: The map of a region's pixels that is differentiated.
        budget: The memory, the size of a chunk, and the cache.
    """

    adapter: Adapter
    regions: tuple[Region, ...]
    layers: tuple[int, ...] | None
    output: Output
    budget: ComputeBudget

    @property
    def codes_per_batch(self) -> int:
        """How many codes are computed together: several where the tangents of one do not fill a chunk."""
        if self.budget.memory is not None or self.budget.chunk is not None:
            return 1
        return max(1, max_tangents(self.adapter, union_of(self.regions)) // self.adapter.space.dim)

    def compute(self, codes: Codes, progress: Progress) -> list[CodeGrams]:
        """Find the matrices at each code of a batch: in the cache if all of them are there, else by computing.

        Args:
            codes: The n codes of a batch.
            progress: Told how many columns are done.

        Returns:
            The matrices at each code.

        Raises:
            CapabilityError: The network has no forward-mode derivative.
            CheckpointError: A derivative is not finite.
            OptionError: The budget does not suffice for a single derivative.
            OutputError: Columns that do not fit into memory cannot be written to disk.
        """
        union = union_of(self.regions)
        entries = [self._entry(codes, index, union) for index in range(len(codes))]
        cached = [grams for grams in map(self._lookup, entries) if grams is not None]
        if len(cached) == len(codes):
            progress(1, 1, "Jacobian")
            return cached
        try:
            return self._differentiate(codes, entries, union, progress)
        except (OSError, SafetensorError):  # another process has deleted columns meanwhile
            uncached = replace(self, budget=replace(self.budget, cache=None))
            return uncached._differentiate(codes, [None] * len(codes), union, progress)

    def _entry(self, codes: Codes, index: int, union: Region) -> CacheEntry | None:
        """Return the cache entry of one code of a batch.

        It depends on everything that decides the bits of J: on the pixels, since a network renders a smaller region by
        other sums, and on the sizes of chunk and batch.
        """
        if self.budget.cache is None:
            return None
        code = codes[index]
        return self.budget.cache.entry(
            {
                "code": fingerprint(code.latents),
                "label": None if code.labels is None else code.labels.tolist(),
                "truncation": code.truncation,
                "layers": self.layers,
                "output": self.output.name,
                "pixels": _digest([union]),
                "batch": len(codes),
                "chunk": self.budget.chunk,
                "memory": self.budget.memory,
            }
        )

    def _lookup(self, entry: CacheEntry | None) -> CodeGrams | None:
        """Find the matrices of one code in the cache."""
        if entry is None:
            return None
        grams = self._sum_stored(entry) or self._read_gram(entry)
        if grams is not None:
            entry.touch()
        return grams

    def _sum_stored(self, entry: CacheEntry) -> CodeGrams | None:
        """Compute the matrices from stored columns, if all of them are there."""
        columns = entry.columns()
        with contextlib.suppress(OSError, SafetensorError):  # another process has deleted them meanwhile
            if columns and columns[-1].end == self.adapter.space.dim:
                return self._sum(columns)
        return None

    def _read_gram(self, entry: CacheEntry) -> CodeGrams | None:
        """Read the matrices that `_write_gram` wrote."""
        names = [f"matrix-{index}" for index in range(len(self.regions))]
        tensors = entry.read(self._gram_name, *names, "chunk")
        return None if tensors is None else CodeGrams([tensors[name] for name in names], int(tensors["chunk"]))

    def _write_gram(self, entry: CacheEntry, grams: CodeGrams) -> None:
        matrices = {f"matrix-{index}": matrix for index, matrix in enumerate(grams.matrices)}
        entry.write(self._gram_name, {**matrices, "chunk": torch.tensor(grams.chunk)})

    @property
    def _gram_name(self) -> str:
        return f"gram-{_digest(self.regions)}"

    def _differentiate(
        self, codes: Codes, entries: Sequence[CacheEntry | None], union: Region, progress: Progress
    ) -> list[CodeGrams]:
        """Compute the columns at all codes of a batch, from where an interrupted computation stopped."""
        size = self.adapter.space.dim * self.output.rows(union) * self.adapter.dtype.itemsize * len(codes)
        max_buffered = _MAX_BUFFERED if self.budget.memory is None else self.budget.memory // 4
        in_memory = size <= max_buffered
        stream = ColumnStream(
            self.adapter,
            codes,
            union,
            layers=self.layers,
            output=self.output,
            budget=self.budget,
            reserved=min(size, max_buffered),
            needed_later=_BLOCK_BYTES,
        )
        with contextlib.ExitStack() as stack:
            if not in_memory:
                entries = [entry or stack.enter_context(temporary_entry()) for entry in entries]
            buffers = [
                ColumnBuffer(entry, in_memory=in_memory, chunk=stream.chunk, max_pending=max_buffered)
                for entry in entries
            ]
            done = min(buffer.end for buffer in buffers)

            def take(start: int, columns: Tensor) -> None:
                for buffer, columns_of_code in zip(buffers, columns.cpu().chunk(len(buffers), dim=1), strict=True):
                    buffer.add(start, columns_of_code)

            if self.budget.spread is None:
                for start, columns in stream.compute(done, progress):
                    take(start, columns)
            else:
                stream.spread(self.budget.spread, take, done, progress)
            return [self._finish(buffer, entry) for buffer, entry in zip(buffers, entries, strict=True)]

    def _finish(self, buffer: ColumnBuffer, entry: CacheEntry | None) -> CodeGrams:
        """Sum the columns of one code; where they are too large to be cached, cache the matrices in their place."""
        buffer.flush()
        grams = self._sum(buffer.parts)
        cache = self.budget.cache
        if cache is not None and entry is not None and buffer.size > cache.columns_limit:
            with contextlib.suppress(OutputError):
                self._write_gram(entry, grams)
                entry.drop_columns()
        return grams

    def _sum(self, columns: Sequence[Columns]) -> CodeGrams:
        """Compute M of each region from the columns of their union."""
        if self.output.per_pixel:
            union = union_of(self.regions)
            pixels = [region.mask[union.mask] for region in self.regions]
            members = [np.repeat(mask, self.output.per_pixel) for mask in pixels]
        else:
            members = [np.ones(columns[0].rows, dtype=np.bool_)]
        return CodeGrams(mean_squares(columns, members), max(part.chunk for part in columns))


def mean_squares(columns: Sequence[Columns], members: Sequence[NDArray[np.bool_]]) -> list[Tensor]:
    """Compute JᵀJ / rows over each of some sets of rows, in float64, a block of rows at a time.

    Rows are grouped by the sets that they belong to, as bits of an integer, so that each row is multiplied once:
    M_s = Σ (JᵀJ of each group whose bit s is set) / (rows of s).

    Args:
        columns: All columns of J, in order.
        members: For each set, which rows belong to it: (rows,) bool.

    Returns:
        The matrix of each set, (dim, dim).

    Raises:
        OSError: A file of columns is gone.
        SafetensorError: A file of columns is damaged.
    """
    dim = columns[-1].end
    groups = torch.from_numpy(np.asarray(sum(mask.astype(np.int64) << bit for bit, mask in enumerate(members))))
    sums = {int(group): torch.zeros(dim, dim, dtype=torch.float64) for group in groups.unique() if group}
    rows_per_block = max(1, _BLOCK // dim)
    for first in range(0, len(groups), rows_per_block):
        group_of_row = groups[first : first + rows_per_block]
        block = read_rows(columns, first, first + len(group_of_row)).to(torch.float64)
        for group in sums:
            inside = group_of_row == group
            rows = block if bool(inside.all()) else block[inside]
            sums[group] += rows.T @ rows
    return [
        torch.stack([total for group, total in sums.items() if group >> bit & 1]).sum(dim=0) / int(mask.sum())
        for bit, mask in enumerate(members)
    ]


def union_of(regions: Sequence[Region]) -> Region:
    """Join regions into one.

    Args:
        regions: Regions of images of one size.

    Returns:
        The region of all their pixels.
    """
    mask = np.logical_or.reduce([region.mask for region in regions])
    return Region("+".join(region.text for region in regions), mask)


def _digest(regions: Sequence[Region]) -> str:
    """Digest the pixels of some regions, in order."""
    return fingerprint(torch.from_numpy(np.stack([np.packbits(region.mask) for region in regions])))
