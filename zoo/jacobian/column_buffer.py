"""The columns of one Jacobian while they are computed: in memory, in a cache entry, or both."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from zoo.errors import OutputError
from zoo.jacobian.cache import CacheEntry
from zoo.jacobian.stored_columns import BufferedColumns, Columns, StoredColumns

_WRITE_INTERVAL = 10.0  # seconds of work that a killed process may lose


class ColumnBuffer:
    """Collects the columns of one code, in order.

    Columns that an interrupted computation left in the entry are there from the start.

    Args:
        entry: Where columns are written; None writes nothing.
        in_memory: Whether columns stay in memory. Otherwise they are on disk only, and a failure to write is an error;
            with columns in memory it only ends the writing.
        chunk: How many tangents are computed at a time.
        max_pending: Bytes that may wait in memory to be written, where columns do not stay there.
    """

    def __init__(self, entry: CacheEntry | None, *, in_memory: bool, chunk: int, max_pending: int) -> None:
        self.parts: list[Columns] = list(entry.columns()) if entry else []
        self._entry = entry
        self._in_memory = in_memory
        self._chunk = chunk
        self._max_pending = max_pending
        self._pending: list[Tensor] = []
        self._itemsize = 4
        self._last_flush = time.monotonic()

    @property
    def end(self) -> int:
        """Number of columns collected so far."""
        return self._flushed + sum(map(len, self._pending))

    @property
    def size(self) -> int:
        """Bytes of the flushed columns."""
        return sum((part.end - part.start) * part.rows * self._itemsize for part in self.parts)

    @property
    def _flushed(self) -> int:
        return self.parts[-1].end if self.parts else 0

    def add(self, start: int, columns: Tensor) -> None:
        """Take further columns; those that are there already are ignored.

        Args:
            start: Index of the first of them.
            columns: The columns as rows, (k, rows), on the CPU.

        Raises:
            OutputError: Columns that do not stay in memory cannot be written.
        """
        new = columns[max(0, self.end - start) :]
        self._itemsize = columns.itemsize
        if len(new):
            self._pending.append(new.clone())
        is_due = self._entry is not None and time.monotonic() - self._last_flush > _WRITE_INTERVAL
        is_full = not self._in_memory and sum(part.nbytes for part in self._pending) > self._max_pending
        if is_due or is_full:
            self.flush()

    def flush(self) -> None:
        """Write what was added since the last time.

        Raises:
            OutputError: Columns that do not stay in memory cannot be written.
        """
        self._last_flush = time.monotonic()
        if not self._pending:
            return
        start = self._flushed
        columns = torch.cat(self._pending)
        self._pending = []
        stored = self._write(start, columns)
        if self._in_memory or stored is None:
            self.parts.append(BufferedColumns(start, start + len(columns), self._chunk, columns))
        else:
            self.parts.append(stored)

    def _write(self, start: int, columns: Tensor) -> StoredColumns | None:
        if self._entry is None:
            return None
        try:
            return self._entry.add_columns(start, columns, self._chunk)
        except OutputError:
            if not self._in_memory:
                raise
            self._entry = None  # a full disk is no reason to stop, and not tried again
            return None
