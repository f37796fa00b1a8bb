"""Table 1: what changes outside where the same changes inside."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from zoo.bench.pictures import Measured
from zoo.bench.tables.columns import NAN, Column, Figures, TableKind
from zoo.bench.trial import Trial
from zoo.editing.changes import Changes

# The mean squared changes inside at which localities are compared, for images in [-1, 1]; 0.02 can be seen.
INSIDE = (0.005, 0.02, 0.05)
VISIBLE = 0.02


def _measure(trial: Trial, measured: Measured) -> Figures:
    """Read the curves of all directions at equal changes inside."""
    curves = torch.stack([_pooled(changes) for changes in measured.unseen])  # (strengths, k, 2)
    found: dict[str, float] = {}
    for inside in INSIDE:
        ratios = [inside / outside for outside in _outside_at(curves, inside) if not math.isnan(outside)]
        found[f"best@{inside:g}"] = max(ratios, default=NAN)
        if inside == VISIBLE:
            found["mean"] = sum(ratios) / len(ratios) if ratios else NAN
            found["reached"] = len(ratios) / curves.shape[1]
    redundancy = measured.visible.redundancy
    found["redundancy"] = NAN if redundancy is None else redundancy
    return found


def _pooled(changes: Changes) -> Tensor:
    """Sum the changes inside and outside over codes (k, 2): to the part where it is known, or else to the region."""
    in_part = changes.by_code_in_part
    if in_part is None:
        return changes.by_code.mean(dim=1)
    seen = (in_part > 0).any(dim=2).sum(dim=1).clamp(min=1)
    return in_part.sum(dim=1) / seen[:, None]


def _outside_at(curves: Tensor, inside: float) -> list[float]:
    """Interpolate the change outside at a change inside, both logarithmic; NaN where the curve does not reach it.

    Below its first point, where steps are small, a curve goes on with the same ratio.
    """
    return [_interpolate(curve.clamp(min=1e-30).log().tolist(), math.log(inside)) for curve in curves.unbind(dim=1)]


def _interpolate(points: list[list[float]], wanted: float) -> float:
    (first, outside), *_ = points
    if wanted < first:
        return math.exp(outside + wanted - first)
    for (low, out_low), (high, out_high) in pairwise(points):
        if low <= wanted <= high and high > low:
            return math.exp(out_low + (wanted - low) / (high - low) * (out_high - out_low))
    return NAN


TABLE = TableKind(
    name="locality",
    title="Locality",
    question="How much of the picture outside changes where equally much changes inside? After table 2 of LinkGAN "
    "(Zhu et al., ICCV 2023), which compares edits of different size. Each direction is rendered at four strengths, "
    "changes are pooled over unseen codes, and the change outside is read off the curve. Inside is the part of each "
    "picture that the region is named after where a scorer finds it, else the region.",
    columns=(
        Column(
            "best@0.005", "best, small", "change inside over outside at 0.005 inside, of the best direction", ratio=True
        ),
        Column("best@0.02", "best, visible", "the same at 0.02, which can be seen", ratio=True),
        Column("best@0.05", "best, large", "the same at 0.05", ratio=True),
        Column("mean", "mean, visible", "the same at 0.02, mean of the directions that reach it", ratio=True),
        Column("reached", "reach it", "the share of directions that change so much inside"),
        Column("redundancy", "redundancy", "the mean |cosine| of the changes of two directions, 0 where all differ"),
    ),
    measure=_measure,
)
