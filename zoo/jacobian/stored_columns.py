"""Columns of a Jacobian, computed: in a file of the cache, or in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from zoo.jacobian.checksums import is_intact


@dataclass(frozen=True)
class StoredColumns:
    """Columns of a Jacobian in a file.

    Attributes:
        start: Index of the first column.
        end: Index after the last column.
        path: The file, which holds a tensor (end - start, rows).
    """

    start: int
    end: int
    path: Path

    @cached_property
    def chunk(self) -> int:
        """How many tangents were computed at a time; 0 if the file is missing, damaged or of another size."""
        if not is_intact(self.path):
            return 0
        try:
            with safe_open(self.path, framework="pt") as file:
                fits = file.get_slice("columns").get_shape()[0] == self.end - self.start
                return int(file.get_tensor("chunk")) if fits else 0
        except (OSError, SafetensorError):
            return 0

    @cached_property
    def rows(self) -> int:
        """Number of rows of J. Raises `OSError` or `SafetensorError` if the file cannot be read."""
        with safe_open(self.path, framework="pt") as file:
            return int(file.get_slice("columns").get_shape()[1])

    def read(self, first: int, last: int) -> Tensor:
        """Read some rows of J.

        Args:
            first: Index of the first row.
            last: Index after the last row.

        Returns:
            The rows of these columns, transposed: (end - start, last - first).

        Raises:
            OSError: The file is gone.
            SafetensorError: The file is damaged.
        """
        with safe_open(self.path, framework="pt") as file:
            part: Tensor = file.get_slice("columns")[:, first:last]
        return part


@dataclass(frozen=True, eq=False)
class BufferedColumns:
    """Columns of a Jacobian in memory.

    Attributes:
        start: Index of the first column.
        end: Index after the last column.
        chunk: How many tangents were computed at a time.
        columns: The columns as rows, (end - start, rows).
    """

    start: int
    end: int
    chunk: int
    columns: Tensor

    @property
    def rows(self) -> int:
        """Number of rows of J."""
        return self.columns.shape[1]

    def read(self, first: int, last: int) -> Tensor:
        """Return some rows of J.

        Args:
            first: Index of the first row.
            last: Index after the last row.

        Returns:
            The rows of these columns, transposed: (end - start, last - first).
        """
        return self.columns[:, first:last]


Columns = StoredColumns | BufferedColumns


def read_rows(parts: Sequence[Columns], first: int, last: int) -> Tensor:
    """Read some rows of a whole Jacobian.

    Args:
        parts: All columns, in order.
        first: Index of the first row.
        last: Index after the last row.

    Returns:
        The rows, (last - first, dim).

    Raises:
        OSError: A file is gone.
        SafetensorError: A file is damaged.
    """
    return torch.cat([part.read(first, last) for part in parts]).T
