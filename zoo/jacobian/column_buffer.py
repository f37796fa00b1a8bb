"""Columns of a Jacobian as they come: held in memory, written down for the next run, or both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import OutputError
from zoo.jacobian.cache import CacheEntry, StoredColumns

_PAUSE = 10.0
"""Seconds of work that a killed run may lose."""


@dataclass(frozen=True, eq=False)
class BufferedColumns:
    """Columns `start` to `end` in memory: (end - start, rows), computed `chunk` at a time."""

    start: int
    end: int
    chunk: int
    columns: Tensor

    @property
    def rows(self) -> int:
        """How many rows J has."""
        return self.columns.shape[1]

    def read(self, first: int, last: int) -> Tensor:
        """Return the rows `first` to `last` of J: (end - start, last - first)."""
        return self.columns[:, first:last]


class ColumnBuffer:
    """Collects the columns of one code, in order; what an interrupted run left in `entry` is there already.

    They are held in memory if `held`, and written to `entry` if there is one. Raises `OutputError` if they are not
    held and cannot be written; a disk that refuses is no reason to stop otherwise.
    """

    def __init__(self, entry: CacheEntry | None, *, held: bool, chunk: int, room: int) -> None:
        self.stretches: list[StoredColumns | BufferedColumns] = list(entry.columns()) if entry else []
        self._entry, self._held, self._chunk, self._room = entry, held, chunk, room
        self._waiting: list[Tensor] = []
        self._itemsize = 4
        self._since = time.monotonic()

    @property
    def end(self) -> int:
        """How many columns are there."""
        return (self.stretches[-1].end if self.stretches else 0) + sum(map(len, self._waiting))

    @property
    def size(self) -> int:
        """Bytes of the columns that are there."""
        return sum((part.end - part.start) * part.rows * self._itemsize for part in self.stretches)

    def add(self, start: int, columns: Tensor) -> None:
        """Take columns (k, rows) from `start` on; those that are there already are left out."""
        fresh = columns[max(0, self.end - start) :]
        self._itemsize = columns.itemsize
        if len(fresh):
            self._waiting.append(fresh.clone())
        late = time.monotonic() - self._since > _PAUSE
        if (late and self._entry) or (not self._held and sum(part.nbytes for part in self._waiting) > self._room):
            self.flush()

    def flush(self) -> None:
        """Write down what has come since the last time."""
        self._since = time.monotonic()
        if not self._waiting:
            return
        start = self.stretches[-1].end if self.stretches else 0
        columns, self._waiting = torch.cat(self._waiting), []
        written = self._write(start, columns)
        if self._held or written is None:
            self.stretches.append(BufferedColumns(start, start + len(columns), self._chunk, columns))
        else:
            self.stretches.append(written)

    def _write(self, start: int, columns: Tensor) -> StoredColumns | None:
        if self._entry is None:
            return None
        try:
            return self._entry.add_columns(start, columns, self._chunk)
        except OutputError:
            if not self._held:
                raise
            self._entry = None
            return None


def read_rows(stretches: Sequence[StoredColumns | BufferedColumns], first: int, last: int) -> Tensor:
    """Read the rows `first` to `last` of J, all columns: (last - first, dim). Raises `OSError`, `SafetensorError`."""
    return torch.cat([stretch.read(first, last) for stretch in stretches]).T
