"""Table 5: project a picture, edit its code, and read the edited picture back."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.bench.pictures import Measured
from zoo.bench.tables.columns import NAN, Column, Figures, TableKind
from zoo.bench.trial import Trial
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.editing.render import render
from zoo.scoring.effects import Attribute, read_attributes


def _measure(trial: Trial, measured: Measured) -> Figures:
    """Edit codes found of pictures as the codes that the pictures were drawn from."""
    projected = trial.projected
    if projected is None:
        return {}
    drawn = trial.unseen[: len(projected)]
    truth, found = (
        [_edited(trial, codes, measured, index) for index in _indices(measured)] for codes in (drawn, projected)
    )
    before = [as_rgb(render(trial.model, codes)) for codes in (drawn, projected)]
    cosines = [
        torch.nn.functional.cosine_similarity((a - before[0]).flatten(1), (b - before[1]).flatten(1), dim=1)
        for a, b in zip(truth, found, strict=True)
    ]
    error = (before[0].clamp(-1, 1) - before[1].clamp(-1, 1)).square().mean(dim=(1, 2, 3)).clamp(min=4e-6)
    figures = {
        "same_change": float(torch.cat(cosines).nan_to_num(0).mean()),
        "psnr": float((10 * (4 / error).log10()).median()),
    }
    if trial.scorers:
        attributes = read_attributes(trial.scorers)
        shares = [_same(attributes, trial.read(a), trial.read(b)) for a, b in zip(truth, found, strict=True)]
        figures["same_factors"] = sum(shares) / len(shares) if attributes else NAN
    return figures


def _indices(measured: Measured) -> range:
    return range(len(measured.directions))


def _edited(trial: Trial, codes: Codes, measured: Measured, index: int) -> Tensor:
    """Move codes along one direction by its visible step, and render them (n, 3, h, w)."""
    directions = measured.directions
    delta = (measured.steps[index] * directions.vectors[index]).to(codes.latents)
    return as_rgb(render(trial.model, trial.model.adapter.move(codes, delta, directions.layers)))


def _same(attributes: tuple[Attribute, ...], one: Tensor, other: Tensor) -> float:
    """Return the share of pictures and attributes that read the same; of scores, within a tenth of their size."""
    same = []
    for attribute in attributes:
        if attribute.values:
            same.append((attribute.predicted(one) == attribute.predicted(other)).to(torch.float64).mean())
        else:
            a, b = one[:, attribute.columns[0]], other[:, attribute.columns[0]]
            same.append(((a - b).abs() <= 0.1 * a.abs()).to(torch.float64).mean())
    return float(torch.stack(same).mean()) if same else NAN


TABLE = TableKind(
    name="readback",
    title="Project, edit, read back",
    question="Does an edit do the same to a picture whose code had to be found? Pictures of unseen codes, blurred and "
    "noisy so that the model cannot draw them exactly, are projected, their codes are edited, and the edited pictures "
    "are compared with those of the codes that they were drawn from.",
    columns=(
        Column("same_change", "same change", "the cosine of the two changes of a picture, 1 for the same"),
        Column("same_factors", "same factors", "the share of factors that read the same in the two edited pictures"),
        Column(
            "psnr",
            "PSNR",
            "how well the codes were found, before any edit: what they draw against the clean picture, in dB",
        ),
    ),
    measure=_measure,
)
