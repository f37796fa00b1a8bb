"""Names of directions: in memory, in files and on the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo import Directions, DirectionsError, LatentSpace, UnknownNameError
from zoo.cli import run
from zoo.core.files.naming import name_direction
from zoo.editing.move_syntax import parse_move_spec, read_moves
from zoo.editing.run_folder import new_run_folder

SPACE = LatentSpace("z", 4)
EFFECT = {"attribute": "hair", "effect": 1.0}


def some() -> Directions:
    return Directions(SPACE, torch.eye(4)[:3], torch.tensor([3.0, 2, 1]), provenance={"names": [None, EFFECT]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with new_run_folder(tmp_path / "run") as new:
        some().save(new / "directions.safetensors")
        (new / "sheet.png").write_bytes(b"a picture")
    return tmp_path / "run"


def test_a_direction_is_found_by_its_name() -> None:
    named = some().with_name(2, " open mouth ").with_name(0, "smile")
    assert named.given_names == ("smile", "", "open mouth")
    assert [named.index_of(name) for name in ("smile", "open mouth", "hair")] == [0, 2, 1]
    assert [named.label(index) for index in range(3)] == ["0 smile", "1", "2 open mouth"]
    assert str(named.move("open mouth", -2)) == "- 2 * direction 2 open mouth"
    assert named[[2, 0]].given_names == ("open mouth", "smile")
    assert named.with_name(0, "").with_name(2, "").given_names is None


def test_a_name_that_was_given_comes_before_others() -> None:
    both = replace(some(), attributes=("age", "age", "hair")).with_name(0, "hair")
    assert both.index_of("hair") == 0
    with pytest.raises(DirectionsError, match="2 directions have the name age: choose one by its index"):
        both.index_of("age")


@pytest.mark.parametrize("name", ["3", "-1", "a,b", "a:b", "a=b", "a\nb", "\x1b[31m", "\u202ea", "x" * 61])
def test_what_cannot_be_a_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(DirectionsError, match="cannot be the name of a direction") as caught:
        some().with_name(0, name)
    assert str(caught.value).isprintable()
    replace(some(), given_names=(name, "", "")).save(tmp_path / "hostile.safetensors")
    with pytest.raises(DirectionsError, match="cannot be the name of a direction"):
        Directions.load(tmp_path / "hostile.safetensors")


def test_a_name_is_of_one_direction() -> None:
    named = some().with_name(1, "smile")
    assert named.with_name(1, "smile").given_names == named.given_names
    with pytest.raises(DirectionsError, match="direction 1 has the name smile already"):
        named.with_name(0, "smile")
    with pytest.raises(DirectionsError, match="no direction 3: there are 0 to 2"):
        named.with_name(3, "frown")
    with pytest.raises(UnknownNameError, match="did you mean smile"):
        named.move("smiel")


def test_a_name_stays_in_the_file_and_the_folder_stays_zoos_own(folder: Path) -> None:
    name_direction(folder, 2, "smile")
    renamed = name_direction(folder / "directions.safetensors", "smile", "open mouth")
    again = Directions.load(folder)
    assert again.given_names == renamed.given_names == ("", "", "open mouth")
    assert torch.equal(again.vectors, some().vectors) and again.provenance == some().provenance
    [move] = read_moves([parse_move_spec(f"{folder}:open mouth=-1.5", "0")], SPACE)
    assert str(move) == "- 1.5 * direction 2 open mouth"
    with new_run_folder(folder, force=True) as new:
        (new / "new").touch()


def test_a_folder_that_was_changed_by_someone_else_does_not_become_zoos_own(folder: Path) -> None:
    some().with_provenance(mine=True).save(folder / "directions.safetensors")
    name_direction(folder, 0, "smile")
    listed = json.loads((folder / ".zoo-run.json").read_text())["files"]["directions.safetensors"]
    assert listed["bytes"] != (folder / "directions.safetensors").stat().st_size


def test_arrays_of_other_projects_have_no_names(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.eye(4))
    with pytest.raises(DirectionsError, match="an array of another project, which has no place for names"):
        name_direction(tmp_path / "a.npy", 0, "smile")


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["name", str(folder), "1", "smile", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["", "smile", ""]
    assert run(["name", str(folder)]) == 0
    assert "1\t2\tsmile\t–\thair" in capsys.readouterr().out
    before = (folder / "directions.safetensors").read_bytes()
    for words in (["1"], ["7", "x"], ["none", "x"], ["0", "smile"], ["0", "0"]):
        assert run(["name", str(folder), *words]) == 2
    assert (folder / "directions.safetensors").read_bytes() == before
    assert len(capsys.readouterr().err.splitlines()) == 5
