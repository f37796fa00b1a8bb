"""The recipes from nothing, and the bundled models against fresh pictures: `pytest -m long` (half an hour)."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import zoo
from recipes.avatars import Avatars, read
from recipes.evaluate import FLOOR, HALVES, measure
from recipes.generators import GENERATORS
from tests.support.once import made_once

pytestmark = pytest.mark.long

STEPS, KEEP, BATCH = 48, 8, 8


@pytest.fixture
def drawn(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Avatars of the size of a model, drawn for these tests: 600 to train on, 1,500 and 1,500 to measure by."""
    side = name[-2:]

    def draw(base: Path) -> None:
        run("recipes.avatars", str(base / "data"), "--size", side, "--train", "100", "--held", "500")

    return made_once(tmp_path_factory, f"avatars{side}", draw) / "data"


def run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)


def training(name: str, data: Path, out: Path) -> list[str]:
    """The command that trains a model for a few steps."""
    numbers = ["--images", str(STEPS * BATCH), "--batch", str(BATCH), "--keep", str(KEEP), "--grown", "64"]
    places = ["--data", str(data), "--out", str(out), "--threads", "1", "--device", "cpu"]
    return [sys.executable, "-m", "recipes.train", name, *places, *numbers, "--cooled", "64"]


@pytest.mark.parametrize("name", GENERATORS)
def test_a_killed_training_ends_as_one_that_was_not_and_is_released(name: str, drawn: Path, tmp_path: Path) -> None:
    subprocess.run(training(name, drawn, tmp_path / "whole"), check=True)
    killed = subprocess.Popen(training(name, drawn, tmp_path / "killed"))
    state = tmp_path / "killed" / "checkpoint" / "state.json"
    while not state.exists():
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    subprocess.run(training(name, drawn, tmp_path / "killed"), check=True)
    for file in sorted((tmp_path / "whole" / "checkpoint").glob("*.safetensors")):
        whole, resumed = load_file(file), load_file(tmp_path / "killed" / "checkpoint" / file.name)
        assert all(torch.equal(tensor, resumed[key]) for key, tensor in whole.items()), file.name
    out = tmp_path / f"{name}.safetensors"
    run("recipes.release", name, "--data", str(drawn), "--training", str(tmp_path / "killed"), "--out", str(out))
    assert zoo.load(out).sample(2).latents.isfinite().all()


@pytest.fixture
def splits(drawn: Path) -> tuple[Avatars, ...]:
    return tuple(read(drawn, split) for split in ("train", "val", "test"))


@pytest.mark.parametrize("name", GENERATORS)
def test_the_bundled_models_are_as_good_as_is_said(name: str, splits: tuple[Avatars, ...]) -> None:
    found = measure(zoo.load(name), *splits)
    assert found["vanished"] == []
    assert found["precision"] > 0.9
    classes = [style for style in found["styles"].values() if "recognized" in style]
    assert all(style["recognized"] >= 0.9 and style["closest"] > 0.02 for style in classes)
    if name == "biggan.avatars32":
        assert found["frechet"] <= HALVES * found["real"]["frechet"] + FLOOR
