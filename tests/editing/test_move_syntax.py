from pathlib import Path

import numpy as np
import pytest

from zoo import DirectionsError, LatentSpace, OptionError
from zoo.editing.move_syntax import arrange, parse_move_spec, read_moves

SPACE = LatentSpace("z", 4)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.eye(4))
    np.save("b.npy", np.eye(4)[::-1])
    np.save("odd:1.npy", np.eye(4))
    (tmp_path / "run:3").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "path", "terms"),
    [
        ("a.npy", "a.npy", [(7, 1.0)]),
        ("a.npy:2", "a.npy", [(2, 1.0)]),
        ("a.npy:0,2", "a.npy", [(0, 1.0), (2, 1.0)]),
        ("a.npy:0=2, 3=-1.5", "a.npy", [(0, 2.0), (3, -1.5)]),
        ("a.npy:-1", "a.npy", [(-1, 1.0)]),
        ("a.npy:smile", "a.npy", [("smile", 1.0)]),
        ("a.npy:0, open mouth =-1.5", "a.npy", [(0, 1.0), ("open mouth", -1.5)]),
        ("none.npy:3", "none.npy", [(3, 1.0)]),
        ("none:nothing", "none:nothing", [(7, 1.0)]),
        ("odd:1.npy", "odd:1.npy", [(7, 1.0)]),
        ("odd:1.npy:1", "odd:1.npy", [(1, 1.0)]),
        ("run:3", "run:3", [(7, 1.0)]),
        (":3", ":3", [(7, 1.0)]),
    ],
)
def test_the_grammar(text: str, path: str, terms: list[tuple[int | str, float]], folder: Path) -> None:
    found = parse_move_spec(text, "7")
    assert found.path == Path(path)
    assert list(found.terms) == terms


@pytest.mark.parametrize("text", ["a.npy:1st", "a.npy:", "a.npy:0,", "a.npy:0=", "a.npy:0=1=2", "a.npy:1.5"])
def test_what_is_no_direction(text: str, folder: Path) -> None:
    with pytest.raises(OptionError, match=f"{text}: write directions as 0,2"):
        parse_move_spec(text, "0")


def test_moves_of_several_files_are_named_after_them(folder: Path) -> None:
    moves = read_moves([parse_move_spec("a.npy:0,2=-1", "0"), parse_move_spec("b.npy", "1=2")], SPACE)
    assert [str(move) for move in moves] == ["a 0", "- a 2", "2 * b 1"]
    [together], _ = arrange(moves, together=True, grid=False)
    assert str(together) == "a 0 - a 2 + 2 * b 1"
    [alone] = read_moves([parse_move_spec("a.npy:3", "0")], SPACE)
    assert str(alone) == "direction 3"


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["dcgan.m-nullspace-mouth", "dcgan.m-nullspace-eyes"], ["mouth 0", "eyes 0"]),
        (["dcgan.m-sefa-all", "dcgan.m-lowrank-eyes"], ["sefa-all 0", "lowrank-eyes 0"]),
        (["eyes", "eyes-2"], ["eyes 0", "eyes-2 0"]),
        (["mouth", "mouse"], ["mouth 0", "mouse 0"]),
    ],
)
def test_only_what_differs_of_two_names_is_shown(names: list[str], short: list[str], folder: Path) -> None:
    for name in names:
        np.save(folder / f"{name}.npy", np.eye(4))
    moves = read_moves([parse_move_spec(f"{name}.npy", "0") for name in names], SPACE)
    assert [str(move) for move in moves] == short


def test_two_directions_of_one_file_need_no_name(folder: Path) -> None:
    moves = read_moves([parse_move_spec("a.npy:0", "0"), parse_move_spec("a.npy:3", "0")], SPACE)
    assert [str(move) for move in moves] == ["direction 0", "direction 3"]


def test_moves_that_are_not_there(folder: Path) -> None:
    with pytest.raises(DirectionsError, match="no direction 4: the file holds 0 to 3"):
        read_moves([parse_move_spec("a.npy:4", "0")], SPACE)
    with pytest.raises(OptionError, match="must be a finite number"):
        read_moves([parse_move_spec("a.npy:0=nan", "0")], SPACE)


def test_grids() -> None:
    with pytest.raises(OptionError, match="--together and --grid"):
        arrange([], together=True, grid=True)
    with pytest.raises(OptionError, match=r"one direction across and one down.*not 0"):
        arrange([], together=False, grid=True)
