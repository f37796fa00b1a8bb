"""One attribute alone, on networks whose attributes are known functions of the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from zoo_analyzers.ganalyze.analyzer import GANalyze
from zoo_analyzers.ganalyze.options import GANalyzeOptions
from zoo_analyzers.nullspace.analyzer import NullSpace
from zoo_analyzers.nullspace.options import NullSpaceOptions

from tests.support.linear import Banded, Linear, model_of
from tests.support.marks import mostly_long
from tests.support.pixel_scorer import PixelScorer
from zoo import CapabilityError, Codes, ContractError, Directions, Probe, Scorer, UnknownNameError
from zoo.testing import leaves_no_trace


class Pixels(PixelScorer):
    contrast = 9.0


class Opaque(Pixels):
    def score(self, images: Tensor) -> Tensor:
        return super().score(images.detach())


class Broken(Pixels):
    def score(self, images: Tensor) -> Tensor:
        return super().score(images) / 0


class Curved(Linear):
    """The first two numbers of the code move the third pixel alike, and the first bends the second pixel as well."""

    def __init__(self) -> None:
        super().__init__(0.2 * torch.tensor([[0.0, 0, 1], [0, 0, 0], [1, 1, 0], [0, 0, 0]]).repeat(2, 1), (2, 4))

    def synthesize(self, codes: Codes) -> Tensor:
        bent = torch.zeros(len(codes), 1, 2, 4)
        bent[:, 0, 0, 1] = 1
        return super().synthesize(codes) + bent * codes.latents[:, 0].square()[:, None, None, None]


def flat() -> Linear:
    """Four numbers: each of the first three moves a pixel of the upper row, the third one a lower pixel too."""
    rows = torch.zeros(8, 4)
    rows[0, 0] = rows[1, 1] = rows[2, 2] = rows[2, 3] = rows[6, 2] = 0.3
    return Linear(rows, (2, 4))


def analyze(
    adapter: Linear, codes: Codes | None = None, scorers: Mapping[str, Scorer] | None = None, **options: Any
) -> Directions:
    model = model_of(adapter)
    given = {"pixels": Pixels()} if scorers is None else scorers
    generator = torch.Generator().manual_seed(0)
    codes = model.sample(8) if codes is None else codes
    probe = Probe(codes, model.region("top"), None, generator, scorers=given)
    with leaves_no_trace(adapter):
        return GANalyze(GANalyzeOptions(**{"steps": 60, **options})).analyze(adapter, probe)


CHANGED = [("first", 0), ("second", 1), ("third", 3), ("third=light", 3)]


@pytest.mark.parametrize(("asked", "moves"), mostly_long(CHANGED, CHANGED[2:3]))
def test_an_attribute_changes_alone_and_nothing_outside(asked: str, moves: int) -> None:
    found = analyze(flat(), attributes=asked)
    assert found.attributes == (asked,) and found.provenance["preserved"] == ["first", "second", "third"]
    assert int(found.vectors[0].abs().argmax()) == moves and float(found.vectors[0, moves].abs()) > 0.85
    assert asked == "third" or float(found.vectors[0, moves]) > 0  # any other value may lie either way
    assert 0.1 < float(found.scores[0]) <= 1


def test_what_may_change_does() -> None:
    both = analyze(flat(), attributes="third", outside=0).vectors[0].abs()
    assert float((both[2] - both[3]).abs()) < 0.2 < float(both[2])
    assert analyze(flat(), attributes="third", preserve="none", steps=1).provenance["preserved"] == []
    assert analyze(flat(), attributes="third", preserve="not:first", steps=1).provenance["preserved"] == [
        "second",
        "third",
    ]
    found = analyze(flat())
    assert len(found) == 3 and found.scores.equal(found.scores.sort(descending=True).values)


def test_attributes_are_kept_at_both_ends_and_not_only_to_first_order() -> None:
    """At a code of zeros the second pixel has no derivative, so that gradients know nothing of it."""
    codes = Codes(torch.zeros(1, 3))
    model = model_of(Curved())
    probe = Probe(codes, model.region("top"), None, torch.Generator(), scorers={"pixels": Pixels()})
    options = NullSpaceOptions(preserve=("first", "second"), k=1)
    first_order = NullSpace(options).analyze(model.adapter, probe).vectors[0].abs()
    torch.testing.assert_close(first_order, torch.tensor([1, 1, 0]).double() / 2**0.5, atol=1e-3, rtol=0)
    found = analyze(Curved(), codes, attributes="third").vectors[0].abs()
    assert float(found[1]) > 0.9 and float(found[0]) < 0.4


def test_rows_move_each_in_its_own_way() -> None:
    """Each row of the code makes a band of the image, and the scorer looks at the first one."""
    banded = Banded(0.3 * torch.eye(4), layers=2, size=(1, 4))
    found = analyze(banded, attributes="first")
    assert found.vectors.shape == (1, 2, 4)
    assert float(found.vectors[0, 0, 0]) > 1.3 and float(found.vectors[0, 1].abs().max()) < 0.2
    assert analyze(banded, attributes="first", rows="same").vectors.shape == (1, 4)


@pytest.mark.parametrize(
    ("error", "words", "scorers", "options"),
    [
        (CapabilityError, "ganalyze needs a scorer, and none that is installed fits", {}, {}),
        (CapabilityError, "choose one with -o scorer=, of a, b", {"a": Pixels(), "b": Pixels()}, {}),
        (CapabilityError, "the scorer Opaque gives no gradients", {"opaque": Opaque()}, {}),
        (ContractError, "the scores of Broken are not finite", {"broken": Broken()}, {}),
        (UnknownNameError, "is called 'frist': did you mean first", None, {"attributes": "frist"}),
        (UnknownNameError, "is called 'third=blue'", None, {"attributes": "third=blue"}),
        (UnknownNameError, "is called 'fourth'", None, {"preserve": "first,not:fourth"}),
    ],
)
def test_what_cannot_be_done_is_said(
    error: type[Exception], words: str, scorers: Mapping[str, Scorer] | None, options: dict[str, Any]
) -> None:
    with pytest.raises(error, match=words):
        analyze(flat(), scorers=scorers, **options)
