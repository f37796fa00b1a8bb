"""Supervised directions: the ceiling, from the readings of scorers at many codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.core.codes import LatentSpace
from zoo.core.directions import Directions
from zoo.linalg.symmetric import generalized_eigh, unit_rows

if TYPE_CHECKING:
    from zoo.bench.trial import Readings
    from zoo.scoring.effects import Attribute

# A value of an attribute counts from so many codes on.
_FEWEST = 5


def supervised_directions(space: LatentSpace, readings: Readings) -> Directions | None:
    """Find a direction for each attribute that varies.

    For a categorical attribute it is Fisher's first linear discriminant: the direction n that maximises the variance
    between the means of the values over the variance within them, nᵀ S_b n / nᵀ (S_w + tr(S_w) / d I) n, the variance
    within held up where codes hardly vary. For two values and normal codes it is the normal of the plane that separates
    them, as of InterFaceGAN (Shen et al., CVPR 2020). For a score it is the same with the covariance with the score.

    Args:
        space: The latent space.
        readings: Codes, and what scorers say of their images.

    Returns:
        The directions, best separated attribute first; None where no attribute varies.
    """
    found = [(attribute, _direction(readings, attribute)) for attribute in readings.attributes]
    rows = [(attribute.name, *pair) for attribute, pair in found if pair is not None]
    if not rows:
        return None
    rows.sort(key=lambda row: -row[1])
    return Directions(
        space,
        unit_rows(torch.stack([vector for _, _, vector in rows])),
        torch.tensor([quotient for _, quotient, _ in rows], dtype=torch.float64),
        attributes=tuple(name for name, _, _ in rows),
    )


def _direction(readings: Readings, attribute: Attribute) -> tuple[float, Tensor] | None:
    """Return the quotient and the direction of one attribute."""
    latents = readings.latents - readings.latents.mean(dim=0)
    between, within = _spread(latents, readings.scores, attribute)
    if not bool(between.any()) or not bool(within.any()):
        return None
    quotients, vectors = generalized_eigh(between, within, 1 / latents.shape[1])
    return float(quotients[0]), vectors[0]


def _spread(latents: Tensor, scores: Tensor, attribute: Attribute) -> tuple[Tensor, Tensor]:
    """Return the covariances between and within the values, each (d, d); between is 0 where there is one value."""
    if not attribute.values:
        values = scores[:, attribute.columns[0]]
        slope = latents.T @ (values - values.mean()) / len(values) / values.std().clamp(min=1e-300)
        between = torch.outer(slope, slope) if float(values.std()) > 0 else torch.zeros(len(slope), len(slope)).double()
        return between, latents.T @ latents / len(latents) - between
    index = attribute.predicted(scores)
    groups = [latents[index == value] for value in range(len(attribute.values))]
    groups = [group for group in groups if len(group) >= _FEWEST]
    means = torch.stack([group.mean(dim=0) for group in groups]) if groups else latents[:0]
    rest = torch.cat([group - group.mean(dim=0) for group in groups]) if groups else latents[:0]
    if len(groups) < 2:
        return torch.zeros(latents.shape[1], latents.shape[1]).to(latents), latents.T @ latents / len(latents)
    weights = torch.tensor([len(group) / len(rest) for group in groups], dtype=torch.float64)
    centred = means - weights @ means
    return centred.T @ (weights[:, None] * centred), rest.T @ rest / len(rest)
