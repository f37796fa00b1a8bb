"""Directions of several files in one of their own: what is kept of them, and what does not fit together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo import Directions, DirectionsError, LatentSpace, OptionError, UnknownNameError, ZooError
from zoo.analysis.picking import PickRequest, pick


def directions(count: int = 3, space: str = "z", dim: int = 4, layers: int = 1, **fields: object) -> Directions:
    vectors = torch.eye(dim, dtype=torch.float64)[:count]
    known = {"analyzer": "sefa", "region": "all", "weights_sha256": "a", "locality": [1, 2, 3]}
    return Directions(LatentSpace(space, dim, layers), vectors, torch.arange(count, 0, -1), provenance=known, **fields)  # type: ignore[arg-type]


def test_names_vectors_and_what_is_recorded_alike_are_kept(tmp_path: Path) -> None:
    directions().with_name(1, "smile").save(tmp_path / "a.safetensors")
    other = directions(2, retained=torch.ones(2)).with_provenance(region="mouth")
    other.save(tmp_path / "b.safetensors")
    words = [f"{tmp_path}/b.safetensors", f"{tmp_path}/a.safetensors:2,smile"]
    request = PickRequest(directions=words, npy=True, out=tmp_path / "kept")
    request.run()
    kept = Directions.load(tmp_path / "kept")
    assert kept.vectors.argmax(1).tolist() == [0, 1, 2, 1] and kept.scores.tolist() == [2, 1, 1, 2]
    assert kept.given_names == ("", "", "", "smile") and kept.retained is None
    assert kept.provenance["weights_sha256"] == "a" and not {"region", "locality"} & set(kept.provenance)
    assert [one["index"] for one in kept.provenance["picked"]] == [0, 1, 2, 1]
    assert kept.provenance["command"] == request.command
    assert np.load(tmp_path / "kept" / "directions.npy").shape == (4, 4)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (directions(space="w"), "of different spaces"),
        (directions().with_provenance(weights_sha256="b"), "of different weights"),
        (directions().with_name(0, "smile"), "2 of these directions are called 'smile'"),
    ],
    ids=["space", "weights", "name"],
)
def test_what_does_not_fit_together_is_one_line(other: Directions, said: str) -> None:
    with pytest.raises(DirectionsError, match=said):
        pick([directions().with_name(1, "smile"), other])


def test_rows_must_be_the_same() -> None:
    with pytest.raises(DirectionsError, match="for different rows of the code"):
        pick([directions(layers=2), replace(directions(layers=2), layers=(1,))])


@pytest.mark.parametrize(
    ("terms", "error"), [(":0=2", OptionError), (":3", OptionError), (":nose", UnknownNameError), (":0,", OptionError)]
)
def test_terms_that_name_nothing(tmp_path: Path, terms: str, error: type[ZooError]) -> None:
    directions().save(tmp_path / "a.safetensors")
    with pytest.raises(error):
        PickRequest(directions=[f"{tmp_path}/a.safetensors{terms}"], out=tmp_path / "kept").run()
    assert not (tmp_path / "kept").exists()
