"""Lists in the words of ``zoo analyze`` become a small sweep, whose cells are those analyses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sweep.test_sweep import rows
from zoo.cli import run
from zoo.core.directions import Directions
from zoo.errors import OptionError
from zoo.sweep.lists import read_lists

pytestmark = pytest.mark.usefixtures("here")


def test_words_are_taken_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lists = read_lists("a, b", "sefa,lowrank", "mouth,box:1,2,3,4,not:eyes,all", "0-2,7")
    assert (lists.models, lists.analyzers) == (["a", "b"], ["sefa", "lowrank"])
    assert (lists.regions, lists.seeds) == (["mouth", "box:1,2,3,4", "not:eyes", "all"], [0, 1, 2, 7])
    for region in ("box:0.1,2,3,4", "mask:a,b.png", "mask:x.png+box:1,2,3,4", "all"):
        assert not read_lists("a", None, region, "12").several
    Path("a,b").touch()
    assert read_lists("a,b", None, "all", None).models == ["a,b"]
    for words in (("a,", None, "all", None), ("a", "sefa,sefa", "all", None)):
        with pytest.raises(OptionError, match=r"there is nothing beside a comma|is there twice"):
            read_lists(*words)
    with pytest.raises(OptionError, match="--seed x: write seeds as 1,2,3 or 1-8"):
        read_lists("a", None, "all", "x")


def test_lists_make_the_same_analyses(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--registry", registry, "analyze", "dcgan.mine"]
    shared = ["--show", "1", "--unseen", "2", "-o", "k=2", "--samples", "2"]
    assert run([*words, "-a", "sefa,lowrank", "-r", "spot,all", "--seed", "1,3", *shared]) == 0
    out, err = capsys.readouterr()
    [file] = Path("runs").glob("*.yaml")
    assert f"these are several analyses, and so a sweep: {file}" in err
    assert out.splitlines()[:2] == ["cells\t8", "finished\t8"]
    assert out.splitlines()[-1] == f"runs/sweep-{file.stem}/report.html"
    folder = Path("runs") / f"sweep-{file.stem}"
    table = rows(folder)
    assert {(row["analyzer"], row["region"], row["seed"], row["samples"]) for row in table} == {
        (analyzer, region, seed, "2") for analyzer in ("sefa", "lowrank") for region in ("spot", "all") for seed in "13"
    }
    assert run([*words, "-a", "lowrank", "-r", "spot", "--seed", "3", *shared, "--out", "one"]) == 0
    [same] = [row for row in table if (row["analyzer"], row["region"], row["seed"]) == ("lowrank", "spot", "3")]
    alone, cell = (Directions.load(path) for path in ("one", folder / "cells" / same["cell"]))
    assert alone.vectors.equal(cell.vectors)
    assert run(["--registry", registry, "sweep", str(file), "--status"]) == 0
    file.write_text("models: dcgan.mine")
    assert run([*words, "-a", "sefa,lowrank", "-r", "spot,all", "--seed", "1,3", *shared]) == 2
    assert "is the file of another sweep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seed", "0-1", "--codes", __file__], "--codes is of one analysis: leave it out with lists"),
        (["--seed", "0-1", "--force"], "--force is of one analysis"),
        (["--seed", "0-1", "--samples", "0"], "--samples"),
        (["-a", "sefa,nobody"], "no analyzer is called 'nobody'"),
        (["--seed", "4-1"], "--seed 4-1: 4-1 runs backwards"),
        (["--seed", "0-1", "-r", "nowhere"], "2 of 2 cells are wrong, and nothing was run"),
    ],
)
def test_bad_lists(registry: str, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    assert run(["--registry", registry, "analyze", "dcgan.mine", *arguments]) == 2
    assert told in capsys.readouterr().err and not Path("runs").exists()
