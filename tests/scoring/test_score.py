"""Scores of directions, at generators whose attributes are numbers of the code, so that every answer is known."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

import zoo
from tests.support.linear import Linear, model_of
from zoo.models.model import Model
from zoo.registry.cards import Card
from zoo.scoring.dci import measure_dci
from zoo.scoring.effects import Effect, read_attributes

GAIN = 0.05
SIDE = 6


def bands(name: str = "test.model") -> Model:
    """Three numbers, each the brightness of a band of two rows, so little that no image is ever clamped."""
    rows = torch.zeros(SIDE, SIDE, 3)
    for band in range(3):
        rows[2 * band : 2 * band + 2, :, band] = GAIN
    return model_of(Linear(rows.view(SIDE * SIDE, 3), (SIDE, SIDE)), name)


class Bands(zoo.Scorer):
    """The brightness of each band, as a score, and of the first one as three values too: dark, dim, bright."""

    attributes: ClassVar[Sequence[str]] = ("top", "middle", "bottom", "tone=dark", "tone=dim", "tone=bright")

    def fits(self, card: Card) -> bool:
        return True

    def score(self, images: Tensor) -> Tensor:
        top, *rest = (part.mean(dim=(1, 2, 3)) for part in images.chunk(3, dim=2))
        return torch.stack([top, *rest, -top - GAIN / 2, torch.zeros_like(top), top - GAIN / 2], dim=1)


class Scales(Bands):
    """The scores alone."""

    attributes: ClassVar[Sequence[str]] = ("top", "middle", "bottom")

    def score(self, images: Tensor) -> Tensor:
        return super().score(images)[:, :3]


def directions_of(model: Model, vectors: Tensor, **provenance: str) -> zoo.Directions:
    return zoo.Directions(model.adapter.space, vectors, torch.ones(len(vectors)), provenance=provenance)


# DCI


@pytest.mark.parametrize(
    ("effects", "disentanglement", "completeness", "coverage"),
    [
        ([[0.5, 0.0], [0.0, 0.5]], 1, 1, 0.5),
        ([[0.5, 0.5], [0.5, 0.5]], 0, 0, 0.5),
        ([[1.0, 1.0]], 0, None, 1),
        ([[1.0], [1.0]], None, 0, 1),
        ([[0.0, 0.0], [0.0, 0.0]], None, None, 0),
        # two directions of one attribute: neither changes another, but the attribute has two
        ([[0.8, 0.0], [0.8, 0.0]], 1, 0, 0.4),
        # H(3/4, 1/4) = 0.8113 bits, of a row of twice the weight of one that is pure
        ([[0.6, 0.2], [0.0, 0.4]], (0.8 * (1 - 0.81127812) + 0.4) / 1.2, (0.6 + 0.6 * (1 - 0.91829583)) / 1.2, 0.5),
    ],
)
def test_disentanglement_of_tables_whose_answer_is_known(
    effects: list[list[float]], disentanglement: float | None, completeness: float | None, coverage: float
) -> None:
    found = measure_dci(torch.tensor(effects))
    for value, wanted in ((found.disentanglement, disentanglement), (found.completeness, completeness)):
        assert value == (None if wanted is None else pytest.approx(wanted, abs=1e-7))  # of float32 tables
    assert found.coverage == pytest.approx(coverage)


def test_a_row_without_effect_has_no_disentanglement_and_no_weight() -> None:
    found = measure_dci(torch.tensor([[0.0, 0.0], [0.3, 0.0]]))
    assert found.by_direction == (None, 1.0)
    assert found.disentanglement == 1


# Effects


def test_directions_that_are_the_attributes_are_disentangled() -> None:
    model = bands()
    found = zoo.score(model, directions_of(model, torch.eye(3)), scorer=Scales(), step=1.5, samples=40)
    assert [str(one.name) for one in found.directions] == ["more top", "more middle", "more bottom"]
    for index, row in enumerate(found.directions):
        for place, effect in enumerate(row.effects):
            assert (effect.strength > 0.9) == (place == index)
            assert effect.effect == 0 or place == index
    whole = found.dci
    assert (whole.disentanglement, whole.completeness) == (1, 1)


def test_rotated_directions_are_less_so_and_as_the_formula_says() -> None:
    model = bands()
    rotation = torch.tensor([[0.8, 0.6, 0.0], [-0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    found = zoo.score(model, directions_of(model, rotation), scorer=Scales(), step=0.5, samples=40)
    table = np.array([[effect.strength for effect in row.effects] for row in found.directions])
    shares = table / table.sum(axis=1, keepdims=True)
    logs = np.log(shares, where=shares > 0, out=np.zeros_like(shares)) / np.log(3)
    wanted = ((1 + (shares * logs).sum(axis=1)) * table.sum(axis=1)).sum() / table.sum()
    whole = found.dci
    assert whole.disentanglement == pytest.approx(wanted)
    assert whole.disentanglement is not None and whole.disentanglement < 0.8
    assert whole.by_direction[2] == 1


def test_an_effect_is_in_standard_deviations_and_its_strength_a_probability() -> None:
    """Scores are GAIN z, so an effect is 2 step / std(z); one end beats the other as normal numbers do."""
    model = bands()
    codes = model.sample(64, 3)
    found = zoo.score(model, directions_of(model, torch.eye(3)[:1]), scorer=Scales(), codes=codes, step=0.4)
    effect = found.directions[0].effects[0]
    assert effect.effect == pytest.approx(0.8 / float(codes.latents[:, 0].std()), rel=1e-5)
    assert effect.agreement == 1
    drawn = torch.randn(2, 400_000, generator=torch.Generator().manual_seed(0))
    beats = 2 * float((drawn[0] + effect.effect > drawn[1]).double().mean()) - 1
    assert effect.strength == pytest.approx(beats, abs=0.005)  # three standard errors of 400,000 pairs
    assert found.directions[0].changes[0] == pytest.approx(0.8 * GAIN, rel=1e-4)


def test_a_category_counts_the_codes_whose_value_differs_between_the_ends() -> None:
    """It is dark below −0.5, bright above 0.5: of z = −3 … 3, moved by ±1, only ±3 and ±2 stay what they are."""
    model = bands()
    codes = zoo.Codes(torch.tensor([-3.0, -2, -1, 0, 1, 2, 3])[:, None] * torch.eye(3)[0])
    found = zoo.score(model, directions_of(model, torch.eye(3)[:1]), scorer=Bands(), codes=codes, step=1)
    tone = found.directions[0].effects[3]
    assert (tone.attribute, tone.scorer) == ("tone", "Bands")
    assert tone.effect == tone.strength == tone.agreement == pytest.approx(3 / 7)
    assert tone.ends == (None, None)  # no way is that of most codes
    assert found.chance[3] == pytest.approx(1 - (3 * 2 + 3 * 2) / (7 * 6))
    assert found.chance[0] is None
    assert found.columns == Bands.attributes


def test_changes_of_pixels_are_those_of_the_region_and_of_the_rest() -> None:
    """A band of two rows changes by GAIN · step: inside of the top half, two rows of three; outside, nothing."""
    model = bands()
    found = zoo.score(model, directions_of(model, torch.eye(3)[:1], region="top"), scorer=Scales(), samples=20, step=2)
    assert found.region == "top"
    assert found.directions[0].inside == pytest.approx((2 * GAIN) ** 2 * 2 / 3, rel=1e-5)
    assert found.directions[0].outside == 0
    assert found.directions[0].locality is not None and found.directions[0].locality.value == math.inf
    whole = zoo.score(model, directions_of(model, torch.eye(3)[:1]), scorer=Scales(), samples=20, step=2)
    assert (whole.region, whole.directions[0].outside) == ("all", None)


def test_without_a_step_the_change_is_visible() -> None:
    model = bands()
    found = zoo.score(model, directions_of(model, torch.eye(3), region="top"), scorer=Scales(), samples=4)
    assert found.directions[0].inside == pytest.approx(0.02, rel=2e-3)  # the search stops within 1e-3 of log change
    assert found.directions[2].step == 8  # the bottom never changes the top


def test_rows_of_scores_do_not_depend_on_how_codes_are_batched() -> None:
    """Seventeen codes are two batches; each code alone gives the same differences."""
    model, directions = bands(), directions_of(bands(), torch.eye(3))
    codes = model.sample(17, 1)
    found = zoo.score(model, directions, scorer=Scales(), codes=codes, step=1)
    pairs = [zoo.score(model, directions, scorer=Scales(), codes=codes[i : i + 2], step=1) for i in range(16)]
    first = torch.tensor([row.changes for row in found.directions])
    mean = torch.tensor([[row.changes for row in pair.directions] for pair in pairs]).mean(dim=0)
    torch.testing.assert_close(first, mean, atol=1e-6, rtol=1e-5)
    assert found.samples == 17


def test_a_score_that_does_not_vary_has_no_effect() -> None:
    class Constant(Scales):
        def score(self, images: Tensor) -> Tensor:
            return torch.ones(len(images), 3)

    model = bands()
    found = zoo.score(model, directions_of(model, torch.eye(3)), scorer=Constant(), samples=4, step=1)
    effect = found.directions[0].effects[0]
    assert math.isnan(effect.effect) and effect.strength == 0 and effect.text() == "–"
    assert effect.as_json()["effect"] is None
    assert found.directions[0].name is None
    assert found.dci.disentanglement is None
    json.dumps(found.as_json(), allow_nan=False)


def test_columns_form_attributes() -> None:
    class Columns(Scales):
        attributes = ("a=x", "smile", "b=1", "a=y", "c=d=e", "c=f", "a")

    found = read_attributes({"s": Columns()})
    told = [(one.name, one.columns, one.values) for one in found]
    assert told == [
        ("a=x", (0,), ()),  # `a` is a column of its own too, so these are no values of one attribute
        ("a=y", (3,), ()),
        ("a", (6,), ()),
        ("smile", (1,), ()),
        ("b=1", (2,), ()),
        ("c", (4, 5), ("d=e", "f")),
    ]


@pytest.mark.parametrize(
    ("effect", "name", "clear"),
    [
        (Effect("hair_colour", "s", 0.82, 0.82, ("red", "black")), "hair colour, red to black", True),
        (Effect("hair_colour", "s", 0.82, 0.82, (None, None)), "hair colour", True),
        (Effect("hair_colour", "s", 0.82, 0.82, (None, "red")), "hair colour, to red", True),
        (Effect("hair_colour", "s", 0.82, 0.82, ("black", None)), "hair colour, from black", True),
        (Effect("hair_colour", "s", 0.49, 0.49, ("red", "black")), "hair colour, red to black", False),
        (Effect("smile", "s", -0.6, 0.95), "less smile", True),
        (Effect("smile", "s", 0.6, 0.89), "more smile", False),
    ],
)
def test_names(effect: Effect, name: str, clear: bool) -> None:
    assert (str(effect), effect.clear) == (name, clear)


def test_the_codes_are_not_those_that_the_same_seed_analyses() -> None:
    class Recorder(Scales):
        def score(self, images: Tensor) -> Tensor:
            seen.append(images)
            return super().score(images)

    seen: list[Tensor] = []
    model = bands()
    zoo.score(model, directions_of(model, torch.eye(3)), scorer=Recorder(), samples=8, step=1)
    analysed = model.adapter.synthesize(model.sample(8, 0))
    assert not any(torch.allclose(one, other) for one in seen[0] for other in analysed)


# What is shown


@pytest.fixture(scope="module")
def scores() -> zoo.Scores:
    model = bands()
    return zoo.score(model, directions_of(model, torch.eye(3), region="top"), scorer=Bands(), samples=20, step=1.5)


def test_the_table_and_the_files(scores: zoo.Scores, tmp_path: Path) -> None:
    columns, rows = scores.table()
    assert columns == [
        *("direction", "step", "top", "middle", "bottom", "tone"),
        *("change inside", "locality", "redundancy", "disentanglement", "suggested name"),
    ]
    assert [row[0] for row in rows] == ["0", "1", "2", "completeness", "by chance"]
    assert {len(row) for row in rows} == {len(columns)}
    assert rows[1][3].endswith(" σ") and rows[1][5] == "0.00" and rows[1][10].startswith("more middle, 0.9")
    scores.save(tmp_path / "scores")
    told = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert told == json.loads(json.dumps(scores.as_json()))
    assert told["directions"][1]["name"]["attribute"] == "middle"
    assert told["redundancy"] == pytest.approx(sum(one["redundancy"] for one in told["directions"]) / 3)
    assert (tmp_path / "scores" / "scores.md").read_text() == scores.markdown()
    table = [line for line in scores.markdown().splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(rows)
    assert {line.count("|") for line in table} == {len(columns) + 1}
    with pytest.raises(zoo.OutputError, match="exists"):
        scores.save(tmp_path / "scores")


def test_scores_show_themselves(scores: zoo.Scores) -> None:
    assert "more middle" in repr(scores)
    assert "<table>" in scores._repr_html_()


def test_two_scorers_are_told_apart() -> None:
    from zoo.editing.requests import CodesRequest
    from zoo.scoring.score import score

    model = bands()
    found = score(
        model, directions_of(model, torch.eye(3)), {"a": Scales(), "b": Bands()}, codes=CodesRequest(samples=8), step=1
    )
    assert found.table()[0][2:6] == ["a: top", "a: middle", "a: bottom", "b: top"]
    assert [effect.effect for effect in found.directions[0].effects[:3]] == [
        effect.effect for effect in found.directions[0].effects[3:6]
    ]


def test_an_empty_set_is_refused() -> None:
    model = bands()
    with pytest.raises(zoo.DirectionsError, match="no direction to score"):
        zoo.score(model, directions_of(model, torch.zeros(0, 3)), scorer=Scales())


def test_a_region_that_this_model_does_not_have(tmp_path: Path) -> None:
    model = bands()
    with pytest.raises(zoo.RegionError, match=r"region of these directions .*'mouth'.*: pass --region"):
        zoo.score(model, directions_of(model, torch.eye(3), region="mouth"), scorer=Scales())
    asked = zoo.score(model, directions_of(model, torch.eye(3), region="mouth"), scorer=Scales(), region="all")
    assert asked.region == "all"
