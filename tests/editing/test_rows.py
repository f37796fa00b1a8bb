"""Directions with a vector for each row of a code, in every function that moves codes along directions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from zoo_analyzers.nullspace.analyzer import NullSpace
from zoo_analyzers.nullspace.options import NullSpaceOptions

import zoo
from tests.support.linear import Banded, model_of
from zoo import Codes, CodesError, Directions, DirectionsError, Model, OptionError
from zoo.core.analyzer import Probe
from zoo.editing import visible_steps
from zoo.report.filmstrips import shown_codes

ROWS = np.random.default_rng(3).normal(size=(3, 6))


@pytest.fixture
def model() -> Model:
    return model_of(Banded.of(3))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.save(tmp_path / "smile.npy", ROWS)
    return tmp_path / "smile.npy"


def test_each_row_moves_along_its_own_vector(model: Model, file: Path) -> None:
    scaled = torch.from_numpy(ROWS / np.sqrt((ROWS**2).sum(axis=1).mean())).float()
    codes = model.sample(2, seed=1)
    wanted = model.render(zoo.Codes(codes.latents + 2 * scaled))
    ways: list[tuple[Any, str | None]] = [(file, "rows"), (ROWS, "rows"), (ROWS[None], None), (str(file), "rows")]
    for given, read_as in ways:
        made = zoo.edit(model, given, codes=codes, strengths=[2.0], read_as=read_as)
        assert torch.allclose(made.images[0, :, 0], wanted, atol=1e-5)


def test_rows_may_be_chosen_of_them(model: Model) -> None:
    codes = model.sample(1, seed=1)
    images = zoo.edit(model, ROWS[None], codes=codes, strengths=[0.0, 2.0], layers=[1]).images[0, 0]
    change = (images[1] - images[0]).abs().amax(dim=(0, 2)).view(3, -1).amax(dim=1)  # of each row's band
    assert (change > 1e-3).tolist() == [False, True, False]


def test_a_matrix_that_may_be_rows_is_asked_about(model: Model, file: Path) -> None:
    for given in (file, ROWS):
        for call in (
            lambda given=given: zoo.edit(model, given),
            lambda given=given: zoo.score(model, given, scorer=None),
            lambda given=given: zoo.compare(given, given, model=model),
        ):
            with pytest.raises(zoo.ZooError, match=r"--as rows|no scorer"):
                call()
    loaded = Directions.load(file)  # of no known space, so that it is asked when a model is known
    with pytest.raises(DirectionsError, match="read_as='rows' or read_as='directions'"):
        zoo.edit(model, loaded)
    assert len(zoo.edit(model, Directions.load(file, read_as="directions"), indices=[0, 2]).moves) == 2
    with pytest.raises(OptionError, match="--as rose: it is one of rows, directions, columns"):
        zoo.edit(model, file, read_as="rose")
    with pytest.raises(CodesError, match="--codes-as rows"):
        zoo.edit(model, ROWS[:1], codes=file)
    assert torch.equal(model.read_codes(file, read_as="rows").latents, torch.from_numpy(ROWS[None]).float())


def test_directions_with_rows_are_compared_with_others(model: Model, file: Path) -> None:
    same = np.repeat(ROWS[:1, None], 3, axis=1)  # the same in all rows, as (1, 6) is
    assert zoo.compare(same, ROWS[:1], model=model).nearest_of_a.distances.tolist() == pytest.approx([0])
    found = zoo.compare(ROWS[None], file, model=model, read_as="rows", top=1)
    assert found.nearest_of_a.distances.tolist() == pytest.approx([0])
    assert found.pairs is not None
    unit = ROWS[0] / np.linalg.norm(ROWS[0])
    cosine = (ROWS @ unit).sum() / np.linalg.norm(ROWS) / 3**0.5  # in the 18 numbers of a code
    distances = zoo.compare(ROWS[None], ROWS[:1], model=model).nearest_of_a.distances
    assert distances.tolist() == pytest.approx([1 - abs(cosine)])


def test_a_set_with_rows_cannot_be_compared_with_one_of_other_rows() -> None:
    with pytest.raises(DirectionsError, match="cannot be compared"):
        zoo.compare(np.ones((1, 2, 6)) * ROWS[:2], np.ones((1, 3, 6)) * ROWS)


def test_only_the_rows_that_a_direction_holds_are_moved(model: Model) -> None:
    vectors = np.zeros((1, 3, 6))
    vectors[0, 0] = ROWS[0]
    images = zoo.edit(model, vectors, samples=1, strengths=[0.0, 1.0]).images[0, 0]
    change = (images[1] - images[0]).abs().amax(dim=(0, 2)).view(3, -1).amax(dim=1)
    assert (change > 1e-3).tolist() == [True, False, False]


def test_localities_are_measured_along_all_rows(model: Model) -> None:
    region = model.region("box:0,0,4,16")  # the first row's band
    vectors = torch.from_numpy(ROWS)[None]
    code = model.sample(1, seed=2)
    [step] = visible_steps(model.adapter, code, vectors, region)
    moved = model.render(model.adapter.move(code, float(step) * vectors[0].float()))
    change = (moved - model.render(code))[..., :4, :].square().mean()
    assert float(change) == pytest.approx(0.02, rel=0.02)


def test_saved_and_loaded(model: Model, tmp_path: Path) -> None:
    directions = Directions.load(saved(tmp_path, np.stack([ROWS, ROWS[::-1]])), space=model.adapter.space)
    for name in ("d.safetensors", "d.npy"):
        directions.save(tmp_path / name)
        found = Directions.load(tmp_path / name, space=model.adapter.space)
        assert torch.allclose(found.vectors, directions.vectors, atol=1e-6)


def saved(tmp_path: Path, array: NDArray[Any]) -> Path:
    np.save(tmp_path / "array.npy", array)
    return tmp_path / "array.npy"


def test_an_analysis_exports_the_rows_that_it_moves(model: Model, tmp_path: Path) -> None:
    found = zoo.analyze(model, "sefa", layers=[0, 2], unseen=0)
    found.save(tmp_path / "d.npy")
    again = Directions.load(tmp_path / "d.npy", space=model.adapter.space)
    assert again.layers == (0, 2)
    assert torch.allclose(again.vectors, found.vectors, atol=1e-6)


def test_the_null_space_is_of_moves_that_are_the_same_in_all_rows(model: Model, file: Path) -> None:
    probe = Probe(model.sample(1), model.region("all"), None, torch.Generator())
    for options, words in [
        ({}, "-o directions_as=rows if it is"),
        ({"directions_as": "rows"}, "has a vector for each row of a code"),
    ]:
        with pytest.raises(DirectionsError, match=words):
            NullSpace(NullSpaceOptions(directions=file, **options))._read_source(model.adapter.space, probe)
    source = NullSpace(NullSpaceOptions(directions=file, directions_as="directions"))._read_source(
        model.adapter.space, probe
    )
    assert source is not None and len(source) == 3


def test_codes_that_do_not_tell_their_class_are_shown_beside_those_that_do() -> None:
    """Codes of w from elsewhere have no labels, and drawn ones of a conditional model do."""
    own, drawn = Codes(torch.zeros(2, 3, 6)), Codes(torch.ones(3, 3, 6), torch.tensor([0, 1, 1]))
    shown, titles = shown_codes(own, drawn)
    assert shown.latents[:, 0, 0].tolist() == [0, 1, 1][: len(titles)]
    assert shown.labels is None
