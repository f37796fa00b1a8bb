"""The low-rank part of a region's Gram matrix, by the name of a factorization."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.errors import OptionError
from zoo.linalg.robust_pca import rpca, rpca_lowrankgan_admm
from zoo.linalg.symmetric import eigenvectors, rank_for_energy


@dataclass(frozen=True, eq=False)
class LowRank:
    """The low-rank part of a symmetric matrix.

    Attributes:
        basis: A complete orthonormal basis as rows, (d, d), strongest first.
        spectrum: The value of each row of the basis, (d,), not negative.
        rank: How many leading rows belong to the low-rank part.
        spectrum_of: What the spectrum holds, as the title of a plot.
        rounds: Number of iterations; None for a direct method.
        gap: The relative duality gap that was reached; None for a method without one.
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
    """Find the low-rank part of a matrix M.

    Args:
        matrix: M, (d, d), symmetric positive semi-definite.
        factorization: ``spectrum`` takes the leading eigenvectors of M. ``pursuit`` and ``published`` take the singular
            vectors of the L of `rpca` and of `rpca_lowrankgan_admm`, up to its rank, which may be 0.
        energy: For ``spectrum``: the share of the trace that the eigenvectors carry, in (0, 1].
        progress: Told how far an iteration has come.

    Returns:
        The low-rank part.

    Raises:
        OptionError: There is no factorization of that name.
    """
    if factorization == "spectrum":
        values, rows = eigenvectors(matrix)
        return LowRank(rows, values, rank_for_energy(values, energy), "Eigenvalues")
    if factorization == "pursuit":
        optimal = rpca(matrix, progress=progress)
        values = optimal.values.abs()
        return LowRank(optimal.basis, values, optimal.rank, "Singular values", optimal.rounds, optimal.gap)
    if factorization == "published":
        published = rpca_lowrankgan_admm(matrix, progress=progress)
        return LowRank(published.basis, published.values.abs(), published.rank, "Singular values", published.rounds)
    raise OptionError(f"factorization={factorization}: there are spectrum, pursuit and published")
