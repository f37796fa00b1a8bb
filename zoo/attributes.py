"""Suggested names: which attribute of an installed scorer a direction changes most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.analyzer import Scorer
from zoo.codes import Codes, join
from zoo.directions import Directions
from zoo.editing import render
from zoo.entries import ScorerPlugin
from zoo.model import Model
from zoo.plugins import reason, skip
from zoo.progress import Progress, silent

CODES_FOR_NAMES = 32
"""How many further codes names are looked for at."""

CLEAR_EFFECT = 0.5
"""The smallest effect that is named: from end to end, half a standard deviation of unedited images."""

CLEAR_AGREEMENT = 0.9
"""The smallest share of codes at which the attribute changes the same way, for a name."""

_BATCH = 16


@dataclass(frozen=True)
class Suggestion:
    """The attribute that a direction changes most.

    `effect` is the mean over codes of the score at +step less that at −step, in standard deviations of the score over
    the unedited codes; `agreement` is the share of codes at which that difference has the effect's sign.
    """

    attribute: str
    scorer: str
    effect: float
    agreement: float

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{'more' if self.effect > 0 else 'less'} {self.attribute}"


def fitting_scorers(model: Model, plugins: Mapping[str, ScorerPlugin]) -> dict[str, Scorer]:
    """Load the scorers whose attributes mean something for a model; one that fails is skipped with a warning."""
    fitting = {}
    for name, plugin in plugins.items():
        try:
            scorer = plugin.load()()
            if scorer.attributes and scorer.fits(model.card):
                fitting[name] = scorer
        except Exception as error:
            _skip(name, model, error)
    return fitting


def suggest_names(
    model: Model,
    scorers: Mapping[str, Scorer],
    codes: Codes,
    directions: Directions,
    *,
    steps: Tensor,
    progress: Progress = silent,
) -> list[Suggestion | None] | None:
    """Name each direction after the attribute whose effect at `codes` is largest, or not at all.

    The effect of a direction n with its step s on an attribute a is the mean over the codes c of
    a(G(move(c, s n))) − a(G(move(c, −s n))), divided by the standard deviation of a(G(c)). It is clear, and named, if
    it is at least 0.5 in absolute value and the difference has its sign at nine of ten codes. An attribute that does
    not vary over the codes is left out. A scorer that fails, or returns anything but a finite number for each image and
    attribute, is skipped with a warning; None where none is left.
    """
    moves = [codes]
    for vector in (steps[:, None] * directions.vectors).to(codes.latents):
        moves += [model.adapter.move(codes, sign * vector, directions.layers) for sign in (1, -1)]
    found = _score_all(model, scorers, join(moves), progress)
    if not found:
        return None
    scores = torch.cat(list(found.values()), dim=1).view(len(moves), len(codes), -1)
    owners = [(name, attribute) for name in found for attribute in scorers[name].attributes]
    spread = scores[0].std(dim=0)
    return [_strongest(differences, spread, owners) for differences in scores[1::2] - scores[2::2]]


def _score_all(model: Model, scorers: Mapping[str, Scorer], codes: Codes, progress: Progress) -> dict[str, Tensor]:
    """Render codes and score them batch by batch: (n, attributes) for each scorer that did not fail."""
    found: dict[str, list[Tensor]] = {name: [] for name in scorers}
    for start in range(0, len(codes), _BATCH):
        if not found:
            break
        progress(start, len(codes), "scoring images for names")
        images = render(model, codes[start : start + _BATCH]).clamp(-1, 1)
        for name in list(found):
            try:
                found[name].append(_scores(scorers[name], images.clone()))
            except Exception as error:
                _skip(name, model, error)
                del found[name]
    progress(len(codes), len(codes), "scoring images for names")
    return {name: torch.cat(parts) for name, parts in found.items()}


def _strongest(differences: Tensor, spread: Tensor, owners: Sequence[tuple[str, str]]) -> Suggestion | None:
    """Pick the attribute of largest effect from (codes, attributes); None where that effect is not clear."""
    effects = torch.where(spread > 0, differences.mean(dim=0) / spread, 0)
    place = int(effects.abs().argmax())
    effect = float(effects[place])
    agreement = float((differences[:, place].sign() == effects[place].sign()).double().mean())
    if abs(effect) < CLEAR_EFFECT or agreement < CLEAR_AGREEMENT:
        return None
    scorer, attribute = owners[place]
    return Suggestion(attribute, scorer, effect, agreement)


def _scores(scorer: Scorer, images: Tensor) -> Tensor:
    """Score images (n, 3, h, w): (n, attributes) float64. Raises `ValueError` for anything but finite numbers."""
    found = scorer.score(images).detach().cpu().to(torch.float64)
    wanted = (len(images), len(scorer.attributes))
    if tuple(found.shape) != wanted or not bool(torch.isfinite(found).all()):
        raise ValueError(f"scores of shape {tuple(found.shape)}, but finite ones of shape {wanted} are needed")
    return found


def _skip(name: str, model: Model, error: Exception) -> None:
    """Go on without a scorer: a name is not worth the loss of an analysis."""
    skip(f"the scorer {name} failed on {model.name} and was skipped: {reason(error)}", error)
