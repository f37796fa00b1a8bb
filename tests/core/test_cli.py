import json
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from tests.core.test_registry import CARD
from tests.toys import write_tiny
from zoo import Directions
from zoo.cli import run
from zoo.codes import load_codes

FILES = {"directions.safetensors", "codes.safetensors", "sheet.png", "report.html"}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    write_tiny(tmp_path / "mine.safetensors")
    card = {**CARD, "weights": {"sources": [{"url": "mine.safetensors"}]}, "regions": {"spot": "box:4,4,6,6"}}
    (tmp_path / "cards.yaml").write_text(yaml.safe_dump({"models": [card]}))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return str(tmp_path / "cards.yaml")


def test_list_as_json(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--registry", registry, "list", "dcgan.m*", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert row == {
        "model": "dcgan.mine",
        "adapter": "dcgan",
        "size": "16²",
        "space": "z 12",
        "licence of the weights": "CC0",
        "where": "local",
    }


@pytest.mark.parametrize("flag", ["--adapters", "--analyzers", "--matrix"])
def test_other_lists(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", flag]) == 0
    assert "sefa" in capsys.readouterr().out or flag == "--adapters"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dcgan", "zoo info adapter:dcgan"),
        ("adapter:dcgan", "derivative"),
        ("nullspace", "background_energy = 0.97"),
        ("model:dcgan.celeba64", "CelebA, for non-commercial research only"),
    ],
)
def test_info(name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", name]) == 0
    assert words in capsys.readouterr().out


def test_analyze_writes_a_run_folder_and_prints_a_table(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    question = ["-a", "nullspace", "-r", "spot", "--samples", "2", "-o", "energy=0.99"]
    assert run(["--registry", registry, "analyze", "dcgan.mine", *question, "--npy"]) == 0
    folder = Path("runs/dcgan.mine-nullspace-spot")
    assert {file.name for file in folder.iterdir()} == FILES | {"directions.npy"}
    out, err = capsys.readouterr()
    assert "kept norm" in out
    assert str(folder / "sheet.png") in out
    assert err == "dcgan.mine · weights: CC0\n"
    card = Directions.load(folder / "directions.safetensors").provenance
    assert card["command"].startswith("zoo analyze dcgan.mine --analyzer nullspace --region spot --samples 2")
    assert {"model", "weights_sha256", "analyzer", "options", "region", "seed", "chunk", "locality"} <= set(card)
    assert {"zoo_version", "licence"} <= set(card)
    assert len(card["locality"]["own"][0]) == 2
    assert len(card["locality"]["unseen"][0]) == 4


def test_an_existing_folder_is_replaced_only_by_force(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--registry", registry, "analyze", "dcgan.mine", "--out", "x"]
    assert run(arguments) == 0
    before = Path("x/directions.safetensors").read_bytes()
    assert run([*arguments, "--seed", "1"]) == 2
    assert Path("x/directions.safetensors").read_bytes() == before
    assert run([*arguments, "--seed", "1", "--force"]) == 0
    assert {file.name for file in Path("x").iterdir()} == FILES
    assert Directions.load("x/directions.safetensors").provenance["seed"] == 1


def test_the_codes_of_a_run_can_be_used_again(registry: str) -> None:
    base = ["--registry", registry, "analyze", "dcgan.mine", "-a", "lowrank", "-r", "spot"]
    assert run([*base, "--samples", "3", "--seed", "7", "--out", "a"]) == 0
    assert run([*base, "--codes", "a/codes.safetensors", "--out", "b"]) == 0
    first, second = (Directions.load(f"{name}/directions.safetensors") for name in "ab")
    assert torch.equal(first.vectors, second.vectors)


def test_edit_makes_a_sheet_and_an_animation(registry: str) -> None:
    assert run(["--registry", registry, "analyze", "dcgan.mine", "--out", "a"]) == 0
    arguments = ["edit", "dcgan.mine", "a", "--index", "0,2", "--strengths", "-2,0,2", "--samples", "2", "--out", "e"]
    assert run(["--registry", registry, *arguments]) == 0
    with Image.open("e/edit.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 4
    with Image.open("e/sheet.png") as sheet:
        assert sheet.height > 4 * 128


def test_edit_of_a_run_folder_shows_the_codes_of_that_run(registry: str) -> None:
    assert run(["--registry", registry, "analyze", "dcgan.mine", "--samples", "6", "--seed", "9", "--out", "a"]) == 0
    assert run(["--registry", registry, "edit", "dcgan.mine", "a", "--out", "e"]) == 0
    assert run(["--registry", registry, "edit", "dcgan.mine", "a", "--samples", "2", "--out", "f"]) == 0
    own, shown, drawn = (load_codes(Path(name) / "codes.safetensors")[0].latents for name in "aef")
    assert torch.equal(shown, own[:4])
    assert len(drawn) == 2


def test_what_was_dropped_is_told(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The strongest direction of the rest is projected out whole."""
    zoo_run = ["--registry", registry, "analyze", "dcgan.mine", "-r"]
    assert run([*zoo_run, "not:spot", "-a", "lowrank", "-o", "k=1", "--out", "rest"]) == 0
    capsys.readouterr()
    assert run([*zoo_run, "spot", "-a", "nullspace", "-o", "directions=rest", "--out", "none"]) == 0
    out = capsys.readouterr().out
    assert "dropped: 1 whose kept norm is below 0.01" in out
    assert "sheet.png" not in out


def test_edit_at_strength_zero_is_the_image_itself(registry: str) -> None:
    assert run(["--registry", registry, "sample", "dcgan.mine", "--samples", "2", "--out", "s"]) == 0
    with Image.open("s/samples.png") as grid:
        assert grid.size == (2 * 128 + 2, 128)
    assert {file.name for file in Path("s").iterdir()} == {"samples.png", "codes.safetensors"}


def test_quiet_prints_no_table(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--registry", registry, "--quiet", "analyze", "dcgan.mine"]) == 0
    assert capsys.readouterr().out == ""


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--debug", "info", "nothing"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("zoo ")
