"""``zoo project``: its folder, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.cli import run


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
    assert [one["name"] for one in card["pictures"]] == ["samples.png", "seed-0001.png", "seed-0002.png"]
    assert card["pictures"][1]["psnr"] > 30
    assert run(["--registry", registry, "sample", "dcgan.mine", "--codes", "found/codes.safetensors"]) == 0
    assert run(call) == 2
    assert "found exists: pass --force" in capsys.readouterr().err
    assert run([*call, "--force", "--each", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["files"]) == 7


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
