import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tests.registry.test_registry import CARD
from zoo import Directions
from zoo.cli import run
from zoo.core.files.codes import load_codes

# What next to nothing is measured and drawn of.
LITTLE = ["--show", "1", "--unseen", "0"]
FILES = {"directions.safetensors", "codes.safetensors", "sheet.png", "report.html"}


def test_list_as_json(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--registry", registry, "list", "dcgan.m*", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert row == {
        "name": "dcgan.mine",
        "summary": CARD["summary"],
        "default": False,
        "adapter": "dcgan",
        "resolution": 16,
        "width": 16,
        "channels": 3,
        "space": "z",
        "layers": 1,
        "dim": 12,
        "classes": 0,
        "licence": {"short": "CC0", "weights": "CC0", "data": None},
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
        ("nullspace", "energy = 0.9"),
        ("model:dcgan.celeba64", "CelebA, for non-commercial research only"),
    ],
)
def test_info(name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", name]) == 0
    assert words in capsys.readouterr().out


def test_info_crops_neither_names_nor_licences(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", "biggan"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "licence of the weights CC BY 4.0" in out
    assert "Pixel Art by DiceBear (CC0 1.0)" in out


def test_analyze_writes_a_run_folder_and_prints_a_table(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    question = ["-a", "nullspace", "-r", "spot", "--samples", "2", "-o", "energy=0.99"]
    assert run(["--registry", registry, "analyze", "dcgan.mine", *question, "--npy"]) == 0
    folder = Path("runs/dcgan.mine-nullspace-spot-energy-0.99-samples-2")
    assert {file.name for file in folder.glob("[!.]*")} == FILES | {"directions.npy"}
    out, err = capsys.readouterr()
    assert "redundancy" in out
    assert str(folder / "sheet.png") in out
    assert err == "dcgan.mine · weights: CC0\n"
    card = Directions.load(folder / "directions.safetensors").provenance
    assert card["command"].startswith("zoo analyze dcgan.mine --analyzer nullspace --region spot --samples 2")
    assert {"model", "weights_sha256", "analyzer", "options", "region", "seed", "chunk", "locality"} <= set(card)
    assert {"zoo_version", "licence"} <= set(card)
    assert card["locality"]["own"][0]["codes"] == 2
    assert card["locality"]["unseen"][0]["codes"] == 32


def test_an_existing_folder_is_replaced_only_by_force(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--registry", registry, "analyze", "dcgan.mine", *LITTLE, "--out", "x"]
    assert run(arguments) == 0
    before = Path("x/directions.safetensors").read_bytes()
    assert run([*arguments, "--seed", "1"]) == 2
    assert Path("x/directions.safetensors").read_bytes() == before
    assert run([*arguments, "--seed", "1", "--force"]) == 0
    assert {file.name for file in Path("x").glob("[!.]*")} == FILES
    assert Directions.load("x/directions.safetensors").provenance["seed"] == 1


def test_the_codes_of_a_run_can_be_used_again(registry: str) -> None:
    base = ["--registry", registry, "analyze", "dcgan.mine", "-a", "lowrank", "-r", "spot", *LITTLE]
    assert run([*base, "--samples", "3", "--seed", "7", "--out", "a"]) == 0
    assert run([*base, "--codes", "a/codes.safetensors", "--out", "b"]) == 0
    first, second = (Directions.load(f"{name}/directions.safetensors") for name in "ab")
    assert torch.equal(first.vectors, second.vectors)


def test_edit_makes_a_sheet_and_an_animation(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--registry", registry, "analyze", "dcgan.mine", *LITTLE, "--out", "a"]) == 0
    arguments = ["edit", "dcgan.mine", "a", "--index", "0,2", "--strengths", "-2,0,2", "--samples", "2", "--out", "e"]
    capsys.readouterr()
    assert run(["--registry", registry, *arguments, "--frames", "10"]) == 0
    files = ["edit.gif", "edit.mp4", "sheet.png", "codes.safetensors"]
    assert capsys.readouterr().out.splitlines() == [f"e/{file}" for file in files]
    with Image.open("e/edit.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 10
    with Image.open("e/sheet.png") as sheet:
        assert sheet.height > 4 * 128


def test_edit_along_directions_of_several_files(registry: str) -> None:
    """`--together` at strength s is s times the weighted sum; `--grid` is every pair of strengths."""
    assert run(["--registry", registry, "analyze", "dcgan.mine", *LITTLE, "--out", "a"]) == 0
    vectors = Directions.load("a").vectors.numpy()
    np.save("b.npy", vectors[3])
    np.save("sum.npy", vectors[1] - 2 * vectors[3])
    base = ["--registry", registry, "edit", "dcgan.mine"]
    common = ["--samples", "1", "--video", "none"]
    length = float(np.linalg.norm(vectors[1] - 2 * vectors[3]))
    assert run([*base, "a:1", "b.npy:0=-2", "--together", "--strengths", "-1,0.5", *common, "--out", "e"]) == 0
    assert run([*base, "sum.npy", f"--strengths={-length},{length / 2}", *common, "--out", "f"]) == 0
    assert run([*base, "a:1", "b.npy", "--grid", "--strengths", "-1,0.5", *common, "--out", "g"]) == 0
    together, whole, grid = (tiles(f"{name}/sheet.png") for name in "efg")
    assert np.abs(together - whole).max() <= 1  # pixels are rounded
    assert grid.shape[:2] == (2, 2)
    assert not np.array_equal(grid[0, 1], grid[1, 0])


def tiles(path: str) -> NDArray[np.int16]:
    """Cut the tiles (rows, 2, 128, 128, 3) out of a sheet of one column, whose names are as wide as they are."""
    sheet = np.asarray(Image.open(path), dtype=np.int16)[28:, -258:]
    rows, columns = -(-sheet.shape[0] // 130), -(-sheet.shape[1] // 130)
    return np.stack([[sheet[130 * r :, 130 * c :][:128, :128] for c in range(columns)] for r in range(rows)])


def test_compare_prints_both_tables_and_the_angles(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("a.npy", np.eye(12)[:3])
    np.save("b.npy", np.array([np.eye(12)[5], -np.eye(12)[1]]))
    assert run(["compare", "a.npy", "b.npy", "--top", "2"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "principal angles (2): 0.0°, 90.0°" in out
    assert re.search(r"direction of A\tnearest of B\tdistance", out)
    assert re.search(r"\n1\t1\t0\.0000\tturned round", out)
    assert "and 1 more; --top 3 shows all" in out
    assert not list(Path().glob("**/*.json"))


def test_compare_as_json_and_with_pictures(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    zoo_run = ["--registry", registry]
    assert run([*zoo_run, "analyze", "dcgan.mine", *LITTLE, "--out", "a.run"]) == 0
    assert run([*zoo_run, "analyze", "dcgan.mine", "-o", "k=3", "-o", "normalize=no", *LITTLE, "--out", "b"]) == 0
    capsys.readouterr()
    assert run([*zoo_run, "compare", "a.run", "b", "--model", "dcgan.mine", "--json", "--top", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    folder = Path("runs/compare-a.run-b-model-dcgan.mine-top-2")
    assert {file.name for file in folder.glob("[!.]*")} == {"comparison.json", "comparison.png", "codes.safetensors"}
    assert json.loads((folder / "comparison.json").read_text()) == told
    assert told["a"]["count"] == 10 and told["b"]["count"] == 3
    assert told["pictures"] == {"model": "dcgan.mine", "rows": 2}
    with Image.open(folder / "comparison.png") as sheet:
        assert sheet.size[0] > 10 * 130 + 16 and sheet.size[1] == 28 + 2 * 130 - 2


def test_edit_of_a_run_folder_shows_the_codes_of_that_run(registry: str) -> None:
    base = ["--registry", registry]
    assert run([*base, "analyze", "dcgan.mine", "--samples", "6", "--seed", "9", *LITTLE, "--out", "a"]) == 0
    edit = [*base, "edit", "dcgan.mine", "a", "--index", "0", "--video", "none"]
    assert run([*edit, "--out", "e"]) == 0
    assert run([*edit, "--samples", "2", "--out", "f"]) == 0
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
    assert {file.name for file in Path("s").glob("[!.]*")} == {"samples.png", "codes.safetensors"}


def test_quiet_prints_no_table(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--registry", registry, "--quiet", "analyze", "dcgan.mine", *LITTLE]) == 0
    assert capsys.readouterr().out == ""


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--debug", "info", "nothing"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("zoo ")
