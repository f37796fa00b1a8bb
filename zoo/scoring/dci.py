"""How far each direction serves one attribute, and each attribute is served by one direction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Disentanglement:
    """What a table of effects (directions, attributes), each from 0 to 1, says as a whole.

    `directions` has a number for each direction: 1 where it changes a single attribute, 0 where it changes all alike;
    `attributes` one for each attribute: 1 where a single direction changes it, 0 where all do alike. `disentanglement`
    and `completeness` are their means, weighted by the sums of the rows and of the columns. `coverage` is the mean over
    the attributes of the largest effect that any direction has on it. None stands for what is not defined: of a row or
    column without any effect, of a single attribute, of a single direction.
    """

    directions: tuple[float | None, ...]
    attributes: tuple[float | None, ...]
    disentanglement: float | None
    completeness: float | None
    coverage: float


def disentangle(effects: Tensor) -> Disentanglement:
    """Compute disentanglement and completeness of effects R (k, a), each within 0 and 1.

    After Eastwood & Williams, ICLR 2018, section 2, with R in the place of their importances: for P[i, j] = R[i, j] /
    Σ_j R[i, j], D_i = 1 + Σ_j P[i, j] log_a P[i, j], and D = Σ_i ρ_i D_i, where ρ_i is the share of row i in the sum of
    R. Completeness is the same of the columns, with log_k, and weighted in the same way. Their third measure,
    informativeness, is the error of a prediction, which a table of effects does not have.
    """
    effects = effects.to(torch.float64)
    rows, columns = _concentrations(effects), _concentrations(effects.T)
    return Disentanglement(
        tuple(rows),
        tuple(columns),
        _mean(rows, effects.sum(dim=1)),
        _mean(columns, effects.sum(dim=0)),
        float(effects.max(dim=0).values.mean()),
    )


def _concentrations(table: Tensor) -> list[float | None]:
    """Compute one less the entropy of each row, scaled to add up to 1, in units of the largest one there can be."""
    count = table.shape[1]
    if count < 2:
        return [None] * len(table)
    sums = table.sum(dim=1)
    entropies = torch.special.entr(table / sums[:, None]).sum(dim=1) / math.log(count)
    return [
        float((1 - entropy).clamp(0, 1)) if total > 0 else None for entropy, total in zip(entropies, sums, strict=True)
    ]


def _mean(values: list[float | None], weights: Tensor) -> float | None:
    found = [(value, float(weight)) for value, weight in zip(values, weights, strict=True) if value is not None]
    total = sum(weight for _, weight in found)
    return sum(value * weight for value, weight in found) / total if found else None
