"""``zoo project``: its folder, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.cli import run
from zoo.weights.cache import sha256_of


def test_a_run_folder(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--registry", registry, "sample", "dcgan.mine", "--seeds", "1,2", "--each", "--out", "own"]) == 0
    Path("own/broken.png").write_text("no picture")
    capsys.readouterr()
    call = ["--registry", registry, "project", "dcgan.mine", "own", "--starts", "1", "--out", "found"]
    assert run(call) == 0
    printed = capsys.readouterr().out
    assert "own/broken.png was left out: " in printed and "seed-0001.png" in printed
    assert {path.name for path in Path("found").glob("[!.]*")} == {
        "codes.safetensors",
        "sheet.png",
        "report.html",
        "projection.json",
    }
    card = json.loads(Path("found/projection.json").read_text())
    assert card["command"] == "zoo project dcgan.mine own --starts 1"
    assert card["command"] in Path("found/report.html").read_text()
    assert [one["name"] for one in card["pictures"]] == ["samples.png", "seed-0001.png", "seed-0002.png"]
    assert card["pictures"][1]["psnr"] > 30
    assert run(["--registry", registry, "sample", "dcgan.mine", "--codes", "found/codes.safetensors"]) == 0
    assert run(call) == 2
    assert "found exists: pass --force" in capsys.readouterr().err
    assert run([*call, "--force", "--each", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["files"]) == 7


def test_a_photograph_that_an_edit_is_carried_over_to_is_hashed_once(
    registry: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []

    def counting(path: Path, *arguments: Any) -> str:
        hashed.append(path)
        return sha256_of(path, *arguments)

    assert run(["--registry", registry, "sample", "dcgan.mine", "--seeds", "1", "--each", "--out", "own"]) == 0
    picture = "own/seed-0001.png"
    assert run(["--registry", registry, "project", "dcgan.mine", picture, "--starts", "1", "--out", "found"]) == 0
    assert run(["--registry", registry, "analyze", "dcgan.mine", "--show", "1", "--out", "sefa"]) == 0
    monkeypatch.setattr("zoo.editing.onto.record.sha256_of", counting)
    call = ["edit", "dcgan.mine", "sefa", "--codes", "found", "--onto", picture, "--video", "none", "--region", "spot"]
    assert run(["--registry", registry, *call, "--strengths", "9", "--out", "carried"]) == 0
    assert hashed == [Path(picture)]
    before, after = (
        np.asarray(Image.open(file)) for file in (picture, "carried/onto-00-seed-0001_direction-0_00_+9.png")
    )
    changed = (before != after).any(axis=2)
    assert changed[4:10, 4:10].any() and not changed[:2].any()
    capsys.readouterr()
    assert run(["--registry", registry, "edit", "dcgan.mine", "sefa", "--region", "spot", "--out", "plain"]) == 2
    assert "--region: it says where --onto changes the photograph: pass that too" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--rows loose", "--rows loose: there are auto, tied, free"),
        ("--ridge -1", "--ridge -1: it is a number from 0 on"),
        ("--starts 0", "--starts 0: it is a number from 1 to 32"),
        ("--loss taste", "--loss taste: there are pixels, features"),
        ("--label 3", "is not conditional"),
        ("--region mouht", "no region of this model is called"),
        ("-o output=timm:resnet18", "it is for --loss features"),
        ("--rows free", "codes of z (12) have a single row"),
        ("--projector e4e", "no projector is called 'e4e'"),
        ("--memory lots", "--memory"),
    ],
)
def test_calls_that_are_refused(registry: str, capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    Image.fromarray(np.zeros((16, 16, 3), dtype=np.uint8)).save("black.png")
    assert run(["--registry", registry, "project", "dcgan.mine", "black.png", "--out", "found", *words.split()]) == 2
    error = capsys.readouterr().err
    [line] = [line for line in error.splitlines() if "weights: " not in line]  # the licence, on first use
    assert message in line
    assert not Path("found").exists()
