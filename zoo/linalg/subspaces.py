"""Two sets of directions as numbers: the nearest row for each row, and bases of their spans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.linalg.symmetric import unit_rows

Labeller = Callable[[int], str]
"""What a direction of an index is called."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each row of one set (k,): the index of the nearest row of the other, and the signed cosine to it.

    Nearest is the largest |cos|, for a direction and its opposite are one; of equal ones, the first. `distances` (k,)
    are the cosine distances 1 − |cos| in [0, 1].
    """

    indices: Tensor
    cosines: Tensor
    distances: Tensor

    @property
    def signs(self) -> Tensor:
        """Return −1 for each row whose nearest one must be turned round to agree with it, else 1."""
        return torch.where(self.cosines < 0, -1.0, 1.0).to(self.cosines.dtype)

    def texts(self, label: Labeller = str, label_of_other: Labeller = str) -> list[list[str]]:
        """Return a row of text for each direction: its label, the nearest one's, the distance, and if it is turned."""
        columns = (self.indices.tolist(), self.distances.tolist(), self.cosines.tolist())
        return [
            [label(index), label_of_other(nearest), f"{distance:.4f}", "turned round" if cosine < 0 else ""]
            for index, (nearest, distance, cosine) in enumerate(zip(*columns, strict=True))
        ]

    def as_json(self) -> list[dict[str, Any]]:
        """Return plain values, a row for each direction."""
        columns = (self.indices.tolist(), self.cosines.tolist(), self.distances.tolist())
        return [
            {"nearest": nearest, "cosine": cosine, "distance": distance}
            for nearest, cosine, distance in zip(*columns, strict=True)
        ]


def find_nearest(rows: Tensor, others: Tensor) -> Nearest:
    """Find for each of some rows (k, d) the nearest of others (j, d); lengths do not matter."""
    rows, others = unit_rows(rows), unit_rows(others)
    cosines = rows @ others.T
    indices = cosines.abs().argmax(dim=1)
    cosines = cosines.gather(1, indices[:, None])[:, 0].clamp(-1, 1)
    turned = others[indices] * torch.where(cosines < 0, -1.0, 1.0)[:, None]
    return Nearest(indices, cosines, (rows - turned).square().sum(dim=1) / 2)  # 1 − |cos|, exact when it is tiny


def span_basis(rows: Tensor) -> Tensor:
    """Find an orthonormal basis (rank, d) of the span of rows (k, d), not counting what float32 rounding adds to it."""
    basis: Tensor
    _, values, basis = torch.linalg.svd(unit_rows(rows), full_matrices=False)
    rank = int((values > values[0] * max(rows.shape) * torch.finfo(torch.float32).eps).sum())
    return basis[:rank]
