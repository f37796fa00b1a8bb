"""Comparisons of two sets of directions: the nearest row for each row, and bases of their spans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.linalg.symmetric import unit_rows

# Cosines that are computed at a time: 32 MB.
_COSINES_AT_ONCE = 2**22

Labeller = Callable[[int], str]  # the name of the direction of an index


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each row of one set, the nearest row of another: the one with the largest |cos|, since signs are arbitrary.

    Attributes:
        indices: The index of the nearest row, (k,); the first one of several equally near.
        cosines: The signed cosine to it, (k,).
        distances: The cosine distance 1 − |cos| in [0, 1], (k,).
    """

    indices: Tensor
    cosines: Tensor
    distances: Tensor

    @property
    def signs(self) -> Tensor:
        """Return −1 for each row whose nearest row points the opposite way, else 1: (k,)."""
        return torch.where(self.cosines < 0, -1.0, 1.0).to(self.cosines.dtype)

    def texts(self, label: Labeller = str, label_of_other: Labeller = str) -> list[list[str]]:
        """Write the result as rows of a table.

        Args:
            label: Names the rows of the first set.
            label_of_other: Names those of the other.

        Returns:
            For each row of the first set: its name, that of the nearest row, the distance, and whether it is turned.
        """
        columns = (self.indices.tolist(), self.distances.tolist(), self.cosines.tolist())
        return [
            [label(index), label_of_other(nearest), f"{distance:.4f}", "turned round" if cosine < 0 else ""]
            for index, (nearest, distance, cosine) in enumerate(zip(*columns, strict=True))
        ]

    def as_json(self) -> list[dict[str, Any]]:
        """Return plain values.

        Returns:
            One dictionary for each row of the first set.
        """
        columns = (self.indices.tolist(), self.cosines.tolist(), self.distances.tolist())
        return [
            {"nearest": nearest, "cosine": cosine, "distance": distance}
            for nearest, cosine, distance in zip(*columns, strict=True)
        ]


def find_nearest(rows: Tensor, others: Tensor) -> Nearest:
    """Find the nearest of some rows for each row; lengths do not matter.

    Args:
        rows: The rows, (k, d).
        others: The rows to choose from, (j, d).

    Returns:
        The nearest row for each of the k rows.
    """
    rows = unit_rows(rows)
    others = unit_rows(others)
    found = [_nearest_of(block, others) for block in rows.split(max(1, _COSINES_AT_ONCE // max(1, len(others))))]
    indices, cosines = (torch.cat(parts) for parts in zip(*found, strict=True))
    turned = others[indices] * torch.where(cosines < 0, -1.0, 1.0)[:, None]
    # ‖a − b‖² / 2 = 1 − cos for unit rows, which is exact where the distance is tiny.
    return Nearest(indices, cosines, (rows - turned).square().sum(dim=1) / 2)


def _nearest_of(rows: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Return the index of the nearest of unit rows for each of some, and the cosine to it."""
    cosines = rows @ others.T
    indices = cosines.abs().argmax(dim=1)
    return indices, cosines.gather(1, indices[:, None])[:, 0].clamp(-1, 1)


def span_basis(rows: Tensor) -> Tensor:
    """Find an orthonormal basis of the span of some rows, without what rounding to float32 adds to it.

    Args:
        rows: The rows, (k, d).

    Returns:
        Orthonormal rows, (rank, d).
    """
    basis: Tensor
    _, values, basis = torch.linalg.svd(unit_rows(rows), full_matrices=False)
    rank = int((values > values[0] * max(rows.shape) * torch.finfo(torch.float32).eps).sum())
    return basis[:rank]
