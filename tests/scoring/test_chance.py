"""What random directions do to scores, by a generator and a scorer that are linear, so that it is known exactly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import zoo
from tests.support.linear import Linear, model_of
from zoo.models.model import Model
from zoo.registry.cards import Card
from zoo.scoring import chance
from zoo.scoring.scores import Scores

DIM = 24


class Pixel(zoo.Scorer):
    """Scores the first pixel, as a scorer of words would: against random directions."""

    attributes = ("light",)
    poles = {"light": ("dark corner", "light corner")}  # noqa: RUF012
    against_random = True

    def fits(self, card: Card) -> bool:
        return True

    def score(self, images: Tensor) -> Tensor:
        return images[:, 0, 0, :1]


@pytest.fixture
def model() -> Model:
    """Each number of a code is a pixel."""
    return model_of(Linear(0.02 * torch.eye(DIM), (4, 6)))


def scores_of(model: Model, vectors: Tensor, step: float = 2.0) -> Scores:
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    directions = zoo.Directions(model.adapter.space, unit, torch.ones(len(unit)))
    return zoo.score(model, directions, scorer=Pixel(), samples=64, step=step, show=len(unit))


def test_z_is_the_change_in_deviations_of_random_directions(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A random unit direction moves a pixel by n₀, of deviation 1 / √d; that of the pixel itself moves it by 1."""
    monkeypatch.setattr(chance, "RANDOM_DIRECTIONS", 150)
    found = scores_of(model, torch.eye(DIM)[:2])
    first, second = (one.effects[0] for one in found.directions)
    assert first.z == pytest.approx(DIM**0.5, rel=0.2)
    assert second.z == pytest.approx(0, abs=1e-3)
    assert first.clear and str(found.directions[0].name) == "dark corner to light corner"
    assert found.directions[1].name is None
    assert str(scores_of(model, -torch.eye(DIM)[:1]).directions[0].name) == "light corner to dark corner"


def test_z_does_not_depend_on_the_step(model: Model) -> None:
    steps = [scores_of(model, torch.eye(DIM)[:1], step).directions[0].effects[0].z for step in (0.5, 1, 4)]
    assert steps == pytest.approx([steps[0]] * 3, rel=1e-3)


def test_random_directions_get_no_name(model: Model) -> None:
    found = scores_of(model, torch.randn(40, DIM, generator=torch.Generator().manual_seed(3)))
    assert sum(one.name is not None for one in found.directions) <= 1
    _, rows = found.table()
    assert rows[0][-1].startswith("no name; nearest: ")


def test_too_few_codes_are_refused(model: Model) -> None:
    directions = zoo.Directions(model.adapter.space, torch.eye(DIM)[:1], torch.ones(1))
    with pytest.raises(zoo.OptionError, match="at least 64"):
        zoo.score(model, directions, scorer=Pixel(), samples=63)
