"""What scorers read in a picture and in what the model draws of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.core.analyzer import Scorer
from zoo.models.model import Model
from zoo.scoring.choosing import skip_scorer
from zoo.scoring.effects import read_attributes
from zoo.scoring.score import checked_scores


@dataclass(frozen=True)
class ReadAttribute:
    """One attribute, read twice.

    Attributes:
        name: The attribute.
        picture: Its value in the picture: a word of a categorical attribute, else a score.
        found: Its value in the image of the found code.
    """

    name: str
    picture: str | float
    found: str | float

    @property
    def kept(self) -> bool | None:
        """Whether a categorical attribute has the same value; None for a score."""
        return self.picture == self.found if isinstance(self.picture, str) else None

    def as_json(self) -> dict[str, str | float]:
        """Tell the fields as they are written to files.

        Returns:
            The fields by name.
        """
        return {"name": self.name, "picture": self.picture, "found": self.found}


def read_back(
    model: Model, scorers: Mapping[str, Scorer], pictures: Tensor, found: Tensor
) -> list[tuple[ReadAttribute, ...]]:
    """Ask scorers about pictures and about the images of their codes. A scorer that fails is skipped with a warning.

    Args:
        model: The model.
        scorers: Scorers that fit it, by name.
        pictures: The pictures (n, 3, h, w) in [-1, 1].
        found: The images of their codes (n, 3, h, w) in [-1, 1].

    Returns:
        The attributes of each picture; empty where no scorer fits.
    """
    scores, remaining = [], {}
    for name, scorer in scorers.items():
        try:
            scores.append(torch.stack([checked_scores(scorer, images) for images in (pictures, found)]))
            remaining[name] = scorer
        except Exception as error:
            skip_scorer(name, model.card, error)
    if not remaining:
        return [()] * len(pictures)
    both = torch.cat(scores, dim=2)
    result: list[list[ReadAttribute]] = [[] for _ in range(len(pictures))]
    for attribute in read_attributes(remaining):
        values: list[Sequence[str | float]] = []
        for side in both:
            if attribute.values:
                values.append([attribute.values[int(index)] for index in attribute.predicted(side)])
            else:
                values.append(side[:, attribute.columns[0]].tolist())
        for one, picture, code in zip(result, *values, strict=True):
            one.append(ReadAttribute(attribute.name, picture, code))
    return [tuple(one) for one in result]
