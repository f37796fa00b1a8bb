import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from zoo import Directions, DirectionsError, LatentSpace, UnknownNameError

SPACE = LatentSpace("w", 4, layers=3)


def some() -> Directions:
    return Directions(
        SPACE,
        torch.eye(4, dtype=torch.float64)[:2],
        torch.tensor([2.0, 1.0]),
        (1, 2),
        torch.tensor([0.5, 0.25]),
        {"model": "a.b", "seed": 3},
    )


def test_round_trip(tmp_path: Path) -> None:
    some().save(tmp_path / "d.safetensors")
    found = Directions.load(tmp_path / "d.safetensors", space=SPACE)
    assert torch.equal(found.vectors, some().vectors)
    assert found.scores.tolist() == [2.0, 1.0]
    assert found.layers == (1, 2)
    assert found.retained is not None
    assert found.retained.tolist() == [0.5, 0.25]
    assert found.provenance == {"model": "a.b", "seed": 3}
    assert found.space == SPACE


def test_a_third_party_can_read_the_file(tmp_path: Path) -> None:
    some().save(tmp_path / "d.safetensors")
    with safe_open(tmp_path / "d.safetensors", framework="np") as file:
        assert set(file.keys()) == {"vectors", "scores"}
        metadata = json.loads(file.metadata()["card"])
    assert metadata["format"] == "zoo-directions/1"
    assert metadata["kept"] == [0.5, 0.25]


def test_npy_export_and_import(tmp_path: Path) -> None:
    some().save(tmp_path / "d.npy")
    array = np.load(tmp_path / "d.npy")
    assert array.shape == (2, 3, 4)
    assert array.dtype == np.float32
    assert not array[:, 0].any()
    found = Directions.load(tmp_path / "d.npy", space=SPACE)
    assert found.space == SPACE
    assert found.layers == (1, 2)
    assert torch.equal(found.vectors, some().vectors)


def test_directions_that_move_all_rows_are_exported_as_a_matrix(tmp_path: Path) -> None:
    replace(some(), layers=None).save(tmp_path / "d.npy")
    assert np.load(tmp_path / "d.npy").shape == (2, 4)


def test_published_boundaries_are_scaled_to_unit_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "age.npy", np.full((1, 4), 3.0, dtype=np.float32))
    found = Directions.load(tmp_path / "age.npy")
    assert found.vectors.tolist() == [[0.5, 0.5, 0.5, 0.5]]
    assert found.space.name == "unknown"


@pytest.mark.parametrize(
    ("vectors", "scores", "words"),
    [
        (torch.zeros(2, 3), torch.zeros(2), "shape"),
        (torch.eye(4)[:2] * 2, torch.zeros(2), "length 2"),
        (torch.full((1, 4), float("nan")), torch.zeros(1), "not finite"),
        (torch.eye(4)[:2], torch.zeros(3), "scores"),
    ],
)
def test_invariants(vectors: torch.Tensor, scores: torch.Tensor, words: str) -> None:
    with pytest.raises(DirectionsError, match=words):
        Directions(SPACE, vectors, scores)


def test_another_space_is_refused(tmp_path: Path) -> None:
    some().save(tmp_path / "d.safetensors")
    with pytest.raises(DirectionsError, match="codes are in z"):
        Directions.load(tmp_path / "d.safetensors", space=LatentSpace("z", 4))


def test_take_selects_scores_and_retained_norms_too() -> None:
    one = some().take(1)
    assert (len(one), one.scores.tolist()) == (1, [2.0])
    assert one.retained is not None
    assert one.retained.tolist() == [0.5]


def test_indexing_selects_everything() -> None:
    named = replace(some(), attributes=("age", "smile"))
    for one in (named[1], named[-1], named[1:], named["smile"], named[[1]], named[np.array([-1])]):
        assert one.vectors.tolist() == [[0, 1, 0, 0]]
        assert (one.scores.tolist(), one.attributes, one.layers) == ([1.0], ("smile",), (1, 2))
        assert one.retained is not None
        assert one.retained.tolist() == [0.25]
    assert [len(one) for one in (named[:], named[5:], named[[]])] == [2, 0, 0]
    assert named[[1, 0, 1]].attributes == ("smile", "age", "smile")
    assert [named[index].label(0) for index in range(2)] == ["0 age", "0 smile"]


def test_an_index_that_is_not_there() -> None:
    for index in (2, [0, 2], [-3]):
        with pytest.raises(IndexError):
            some()[index]
    with pytest.raises(TypeError, match="a direction is chosen by its number, not by True"):
        some()[[True, False]]
    with pytest.raises(
        UnknownNameError, match="no direction is called 'smile': they have numbers, 0 to 1, and no names"
    ):
        some()["smile"]
    with pytest.raises(UnknownNameError, match="did you mean smile"):
        replace(some(), attributes=("age", "smile"))["smiles"]
    with pytest.raises(DirectionsError, match="2 directions have the name age"):
        replace(some(), attributes=("age", "age"))["age"]


def test_vectors_for_each_row_have_a_root_mean_square_length_of_one() -> None:
    vectors = torch.zeros(1, 3, 4, dtype=torch.float64)
    vectors[0, 1, 0], vectors[0, 2, 1] = 0.6, (2 - 0.36) ** 0.5
    found = Directions(SPACE, vectors, torch.ones(1))
    assert torch.equal(found.by_row(), vectors)
    with pytest.raises(DirectionsError, match="length"):
        Directions(SPACE, vectors * 1.1, torch.ones(1))


def test_a_file_whose_first_byte_is_that_of_a_pickle_is_read(tmp_path: Path) -> None:
    """It is the lowest byte of the length of the metadata: one in 32 files begins so."""
    directions = Directions(LatentSpace("z", 4), torch.eye(4)[:2], torch.ones(2))
    first = set()
    for length in range(0, 256, 8):
        path = tmp_path / f"{length}.safetensors"
        directions.with_provenance(source="s" * length).save(path)
        first.add(path.read_bytes()[0])
        assert Directions.load(path).provenance["source"] == "s" * length
    assert 0x80 in first
