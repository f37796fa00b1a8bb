"""DCI: disentanglement and completeness of a table of effects (Eastwood & Williams, ICLR 2018)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class DCI:
    """Disentanglement, completeness and coverage of a table of effects, each within 0 and 1.

    None stands for what is not defined: the value of a row or column without any effect, disentanglement where there
    is a single attribute, and completeness where there is a single direction.

    Attributes:
        by_direction: D_i of each direction: 1 where it changes a single attribute, 0 where it changes all equally.
        by_attribute: C_j of each attribute: 1 where a single direction changes it, 0 where all change it equally.
        disentanglement: D, the mean of D_i, weighted by the sums of the rows.
        completeness: C, the mean of C_j, weighted by the sums of the columns.
        coverage: The mean over attributes of the largest effect that any direction has on it.
    """

    by_direction: tuple[float | None, ...]
    by_attribute: tuple[float | None, ...]
    disentanglement: float | None
    completeness: float | None
    coverage: float


def measure_dci(effects: Tensor) -> DCI:
    """Compute disentanglement and completeness, after Eastwood & Williams, ICLR 2018, section 2.

    The effects R take the place of their relative importances. Their third measure, informativeness, is the error of a
    prediction, which a table of effects does not have.

    Args:
        effects: The table R (k, a): directions by attributes, each effect within 0 and 1.

    Returns:
        The measures.
    """
    # P[i, j] = R[i, j] / Σ_j R[i, j],  D_i = 1 + Σ_j P[i, j] log_a P[i, j],  D = Σ_i ρ_i D_i,
    # where ρ_i is the share of row i in the sum of R. Completeness is the same for the columns, with log_k.
    effects = effects.to(torch.float64)
    by_direction, by_attribute = _concentrations(effects), _concentrations(effects.T)
    return DCI(
        tuple(by_direction),
        tuple(by_attribute),
        _weighted_mean(by_direction, effects.sum(dim=1)),
        _weighted_mean(by_attribute, effects.sum(dim=0)),
        float(effects.max(dim=0).values.mean()),
    )


def _concentrations(table: Tensor) -> list[float | None]:
    """Compute 1 − H(P) / log(columns) for each row of a table, scaled to add up to 1."""
    count = table.shape[1]
    if count < 2:
        return [None] * len(table)
    sums = table.sum(dim=1)
    entropies = torch.special.entr(table / sums[:, None]).sum(dim=1) / math.log(count)
    return [
        float((1 - entropy).clamp(0, 1)) if total > 0 else None for entropy, total in zip(entropies, sums, strict=True)
    ]


def _weighted_mean(values: list[float | None], weights: Tensor) -> float | None:
    defined = [(value, float(weight)) for value, weight in zip(values, weights, strict=True) if value is not None]
    total = sum(weight for _, weight in defined)
    return sum(value * weight for value, weight in defined) / total if defined else None
