"""Table 2: which factors directions change, and which they change besides."""

from __future__ import annotations

import torch

from zoo.bench.pictures import Measured
from zoo.bench.tables.columns import NAN, Column, Figures, TableKind
from zoo.bench.trial import Trial
from zoo.scoring.dci import measure_dci


def _measure(trial: Trial, measured: Measured) -> Figures:
    """Choose for each attribute the direction that changes it most beyond the others, and see what that leaks."""
    scores = measured.scores
    if scores is None:
        return {}
    varying = [index for index, one in enumerate(scores.attributes) if _varies(trial, one.name)]
    names = [scores.attributes[index].name for index in varying]
    effects = torch.tensor([[row.effects[index].strength for index in varying] for row in scores.directions])
    if len(names) < 2:
        return {}
    others = (effects.sum(dim=1, keepdim=True) - effects) / (len(names) - 1)
    best = (effects - others).argmax(dim=0)
    effect, leakage = (table.gather(0, best[None])[0] for table in (effects, others))
    dci = measure_dci(effects)
    return {
        "effect": float(effect.mean()),
        "leakage": float(leakage.mean()),
        "selectivity": float((effect - leakage).mean()),
        "coverage": dci.coverage,
        "disentanglement": NAN if dci.disentanglement is None else dci.disentanglement,
        **{f"of:{name}": value for name, value in zip(names, (effect - leakage).tolist(), strict=True)},
    }


def _varies(trial: Trial, name: str) -> bool:
    """Say whether drawn codes differ in an attribute at all, at one code in a hundred."""
    readings = trial.readings
    assert readings is not None
    [attribute] = [one for one in readings.attributes if one.name == name]
    chance = attribute.chance(readings.scores)
    return bool(readings.scores[:, attribute.columns].std(dim=0).any()) if chance is None else chance > 0.02


TABLE = TableKind(
    name="factors",
    title="Factors",
    question="Does a direction change one known factor and leave the others? After table 2 of SeFa (Shen & Zhou, CVPR "
    "2021). For each factor, the direction is taken that changes it most beyond what it changes of the others; effects "
    "are strengths from 0 to 1 at a visible step, at unseen codes.",
    columns=(
        Column("effect", "effect", "how much that direction changes its factor, mean over the factors"),
        Column("leakage", "leakage", "how much it changes another factor, mean over the others"),
        Column("selectivity", "selectivity", "effect minus leakage"),
        Column("coverage", "coverage", "the largest effect of any direction, mean over the factors"),
        Column("disentanglement", "disentanglement", "1 where each direction changes a single factor (DCI of effects)"),
    ),
    measure=_measure,
    by_attribute="of:",
)
