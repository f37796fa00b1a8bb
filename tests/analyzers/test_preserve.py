"""Scored attributes that stay, on a network whose attributes are known numbers of the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from zoo_analyzers.nullspace.analyzer import NullSpace
from zoo_analyzers.nullspace.options import NullSpaceOptions
from zoo_analyzers.nullspace.preserve import attribute_gram

from tests.support.linear import Linear, model_of
from tests.support.pixel_scorer import PixelScorer
from zoo import CapabilityError, Directions, Probe, Scorer, UnknownNameError
from zoo.testing import leaves_no_trace


class Opaque(PixelScorer):
    def score(self, images: Tensor) -> Tensor:
        return super().score(images.detach())


def upper() -> Linear:
    """Four numbers: each of the first three moves a pixel of the upper row, the last one a lower pixel."""
    rows = torch.zeros(8, 4)
    rows[0, 0], rows[1, 1], rows[2, 2], rows[4, 3] = 3.0, 2.0, 1.0, 5.0
    return Linear(rows, (2, 4))


def probe_of(adapter: Linear, scorers: Mapping[str, Scorer] | None = None) -> Probe:
    model = model_of(adapter)
    given = {"pixels": PixelScorer()} if scorers is None else scorers
    return Probe(model.sample(3), model.region("top"), None, torch.Generator().manual_seed(0), scorers=given)


def analyze(scorers: Mapping[str, Scorer] | None = None, **options: Any) -> Directions:
    adapter = upper()
    with leaves_no_trace(adapter):
        return NullSpace(NullSpaceOptions(**options)).analyze(adapter, probe_of(adapter, scorers))


def test_the_matrix_is_that_of_the_gradients_each_attribute_alike() -> None:
    found = attribute_gram(upper(), probe_of(upper()), ["first", "third"], None, 1)
    torch.testing.assert_close(found, torch.diag(torch.tensor([0.5, 0, 0.5, 0], dtype=torch.float64)))


@pytest.mark.parametrize(
    ("preserve", "left"), [("first", 1), ("first, third", 1), ("not:third", 2), ("first,second", 2)]
)
def test_the_first_direction_changes_what_is_left(preserve: str, left: int) -> None:
    assert int(analyze().vectors[0].abs().argmax()) == 0
    found = analyze(preserve=preserve, background_energy=0.5)
    assert int(found.vectors[0].abs().argmax()) == left
    assert float(found.vectors[0, left].abs()) > 0.999
    kept = [name for name in ("first", "second", "third") if ("not" in preserve) != (name in preserve)]
    assert found.provenance["preserved"] == kept


def test_a_direction_of_a_file_keeps_attributes_too(tmp_path: Any) -> None:
    space = upper().space
    Directions(space, torch.tensor([[0.6, 0.8, 0, 0]]), torch.ones(1)).save(tmp_path / "d.safetensors")
    found = analyze(preserve="first", directions=tmp_path / "d.safetensors", background_energy=1.0)
    torch.testing.assert_close(found.vectors[0].abs(), torch.eye(4, dtype=torch.float64)[1], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("error", "words", "scorers", "options"),
    [
        (CapabilityError, "preserve= needs a scorer, and none that is installed fits", {}, {}),
        (CapabilityError, "choose one with -o scorer=, of a, b", {"a": PixelScorer(), "b": PixelScorer()}, {}),
        (CapabilityError, "the scores of opaque have no gradients", {"opaque": Opaque()}, {}),
        (
            UnknownNameError,
            "no attribute that is scored is called 'frist': did you mean first",
            None,
            {"preserve": "frist"},
        ),
        (UnknownNameError, "called 'hat'", None, {"preserve": "not:hat"}),
        (UnknownNameError, "scorer that fits this model", None, {"scorer": "hats"}),
    ],
)
def test_what_cannot_be_kept(
    error: type[Exception], words: str, scorers: Mapping[str, Scorer] | None, options: dict[str, Any]
) -> None:
    with pytest.raises(error, match=words):
        analyze(scorers, **{"preserve": "first", **options})


def test_the_scorer_of_avatars_has_gradients() -> None:
    from zoo_scorers.avatars.scorer import Avatars

    images = torch.zeros(1, 3, 32, 32, requires_grad=True)
    Avatars().score(images).sum().backward()
    assert images.grad is not None and bool(images.grad.any())
    assert not Avatars().score(images.detach()).requires_grad
