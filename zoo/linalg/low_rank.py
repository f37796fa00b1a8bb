"""The low-rank part of a region's Gram matrix, by the name of a factorization."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.errors import OptionError
from zoo.linalg.robust_pca import rpca, rpca_lowrankgan_admm
from zoo.linalg.symmetric import eigenvectors, rank_for_energy

_OF_SPLIT = "Singular values"


@dataclass(frozen=True, eq=False)
class LowRank:
    """The low-rank part of a symmetric matrix: its `rank`, and a whole orthonormal `basis` (d, d), strongest first.

    `spectrum` (d,), not negative, belongs to the basis, and `spectrum_of` says what it holds. `rounds` is what an
    iteration took, and `gap` the relative duality gap that it reached.
    """

    basis: Tensor
    spectrum: Tensor
    rank: int
    spectrum_of: str
    rounds: int | None = None
    gap: float | None = None

    @property
    def vectors(self) -> Tensor:
        """The directions of the low-rank part, (rank, d)."""
        return self.basis[: self.rank]

    @property
    def scores(self) -> Tensor:
        """Their eigenvalues or singular values, (rank,)."""
        return self.spectrum[: self.rank]


def factorize(matrix: Tensor, factorization: str, energy: float, progress: Progress = silent) -> LowRank:
    """Find the low-rank part of M (d, d), symmetric positive semi-definite.

    ``spectrum``: eigenvectors that carry a share `energy` of the trace. ``pursuit`` and ``published``: singular vectors
    of the L of `rpca` or `rpca_lowrankgan_admm` up to its rank, possibly none.

    Raises `OptionError` for another name.
    """
    if factorization == "spectrum":
        values, rows = eigenvectors(matrix)
        return LowRank(rows, values, rank_for_energy(values, energy), "Eigenvalues")
    if factorization == "pursuit":
        found = rpca(matrix, progress=progress)
        return LowRank(found.basis, found.values.abs(), found.rank, _OF_SPLIT, found.rounds, found.gap)
    if factorization == "published":
        split = rpca_lowrankgan_admm(matrix, progress=progress)
        return LowRank(split.basis, split.values.abs(), split.rank, _OF_SPLIT, split.rounds)
    raise OptionError(f"factorization={factorization}: there are spectrum, pursuit and published")
