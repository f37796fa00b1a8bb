"""A handful of runs ranked by one command: one table, one page, one sheet."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from zoo import Directions, LatentSpace
from zoo.cli import run
from zoo.scoring.appearance import Appearance, recorded_name
from zoo.scoring.effects import Effect

SPACE = LatentSpace("z", 3)


def written(name: str, record: dict[str, Any] | None = None, *, sheet: bool = True, count: int = 2) -> str:
    """Write a run folder with directions, whose record says that the first of them is local, or something else."""
    Path(name).mkdir()
    usual = {"analyzer": "sefa", "model": "m", "region": "eyes", "seed": 3, "options": {"k": 2, "chunk": None}}
    directions = Directions(
        SPACE, torch.eye(3)[:count], torch.arange(count, 0, -1.0), provenance=usual | (record or {})
    )
    directions.save(Path(name) / "directions.safetensors")
    if sheet:
        Image.new("RGB", (40, 20), "red").save(Path(name) / "sheet.png")
    return name


def local(*values: float) -> dict[str, Any]:
    return {"locality": {"own": [{"value": 1.0}] * len(values), "unseen": [{"value": value} for value in values]}}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_directions_of_several_runs_are_ranked(capsys: pytest.CaptureFixture[str]) -> None:
    name = {"attribute": "hair_colour", "ends": ["blue", "red"]}
    written("a", {**local(2.0, 5.0), "names": [name, None], "measured": {"steps": [0.5, 1.5]}})
    written("b", {**local(3.0), "analyzer": "lowrank"})
    written("c", sheet=False, count=1)  # nothing of it was measured
    assert run(["compare", "a", "b", "c", "--rank"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[:3] for line in out[:5]] == [
        ["rank", "run", "direction"],
        *(["1", "a", "1"], ["2", "b", "0"], ["3", "a", "0"], ["4", "c", "0"]),
    ]
    assert out[3].split("\t")[-1] == "hair colour, blue to red"
    assert out[5:] == [f"runs/rank-a-b-c/{name}" for name in ("report.html", "sheet.png", "table.csv")]
    folder = Path("runs/rank-a-b-c")
    with (folder / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["locality_unseen"] for row in rows] == ["5.0", "3.0", "2.0", ""]
    assert rows[0]["step"] == "1.5" and rows[0]["options"] == "k=2" and rows[1]["analyzer"] == "lowrank"
    page = (folder / "report.html").read_text()
    assert '<a href="../../a/report.html#direction-1">1</a>' in page and "<span>a ranking</span>" in page
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.width == 40 and sheet.getpixel((1, sheet.height // 2 - 15)) == (255, 0, 0)
        assert 2 * 20 < sheet.height < 2 * 20 + 120
    assert run(["compare", "a", "b", "c", "--rank"]) == 2 and "exists" in capsys.readouterr().err
    assert run(["compare", "b", "a", "--rank", "--top", "1", "--json", "--out", "d"]) == 0
    assert len(json.loads(capsys.readouterr().out)["directions"]) == 3


@pytest.mark.parametrize(
    "name",
    [
        Effect("hair", "s", 0.8, 0.8, ("short", "long")),
        Effect("hair", "s", 0.8, 0.8, (None, "long")),
        Effect("hair", "s", 0.8, 0.8, (None, None)),
        Effect("smile", "s", -1.5, 0.95),
        Effect("smile", "s", 2.0, 0.95, z=4.0, poles=("serious face", "smiling face")),
        Appearance("darker", "mouth", 0.5, 1.0),
    ],
)
def test_suggested_names_are_those_of_the_analysis(name: Effect | Appearance) -> None:
    assert recorded_name(json.loads(json.dumps(name.as_json()))) == str(name)


def test_a_direction_that_nobody_named_keeps_its_suggested_name(capsys: pytest.CaptureFixture[str]) -> None:
    effect = Effect("smile", "s", 1.5, 0.95).as_json()
    written("a", {**local(2.0, 5.0), "names": [effect, effect]})
    Directions.load("a").with_name(0, "grin").save("a/directions.safetensors")
    written("b")
    assert run(["compare", "a", "b", "--rank"]) == 0
    assert [line.split("\t")[-1] for line in capsys.readouterr().out.splitlines()[1:3]] == ["more smile", "grin"]


def test_records_of_any_kind_are_read() -> None:
    odd: list[Any] = [None, 3, "x", [], {"own": 3, "unseen": [None, {"value": "x"}, {"value": True}]}]
    for number, value in enumerate(odd):
        record = dict.fromkeys(("locality", "names", "repeats", "measured", "options", "seed"), value)
        written(f"r{number}", record)
    assert run(["compare", *(f"r{number}" for number in range(len(odd))), "--rank"]) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a", "b", "c"], "3 sets: two are compared; pass --rank to rank those of more"),
        (["a", "d.npy", "--rank"], "d.npy is no run folder: --rank takes those that 'zoo analyze' wrote"),
        (["a", "e", "--rank"], "e was not written by 'zoo analyze'"),
        (["a", "b", "--rank", "--model", "biggan"], "--model is about two sets: leave it out with --rank"),
        (["a", "b", "--rank", "--seed", "1"], "--seed is about two sets: leave it out with --rank"),
        (["a", "b", "--samples", "1"], "--samples is about pictures or analyses, which need --model"),
    ],
)
def test_bad_calls(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abc":
        written(name)
    Path("d.npy").touch()
    Path("e").mkdir()
    Directions(SPACE, torch.eye(3), torch.ones(3)).save("e/directions.safetensors")
    assert run(["compare", *arguments]) == 2
    assert told in capsys.readouterr().err and not Path("runs").exists()
