"""A plugin of somebody else's, built and installed, is listed and used like the built-in ones."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from tests.support.plugins import MODEL, Zoo, python
from zoo.cli import run as run_here
from zoo.plugins import Plugins


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_lists_show_the_plugin(sample_zoo: Zoo) -> None:
    models = {row["name"]: row for row in rows(sample_zoo("list", "--json"))}
    shown = {key: models[MODEL][key] for key in ("adapter", "default", "where")}
    assert shown == {"adapter": "mosaic", "default": True, "where": "local"}
    adapters = {row["name"]: row for row in rows(sample_zoo("list", "--adapters", "--json"))}
    assert adapters["mosaic"]["provides"] == ["derivative", "projection", "region"]
    assert "dcgan" in adapters
    analyzers = {row["name"] for row in rows(sample_zoo("list", "--analyzers", "--json"))}
    assert {"random-orthonormal", "sefa", "lowrank", "nullspace", "resefa"} <= analyzers


def test_matrix_shows_every_cell(sample_zoo: Zoo) -> None:
    matrix = {row["adapter"]: row["obstacles"] for row in rows(sample_zoo("list", "--matrix", "--json"))}
    assert set(matrix["mosaic"].values()) == {None}
    assert matrix["dcgan"]["random-orthonormal"] is None


def test_plain_tables_show_the_plugin(sample_zoo: Zoo) -> None:
    assert MODEL in sample_zoo("list").stdout
    assert MODEL in sample_zoo("list", "mosaic*").stdout
    assert "mosaic" in sample_zoo("list", "--adapters").stdout
    header, *lines = sample_zoo("list", "--matrix").stdout.splitlines()
    assert "random-orthonormal" in header
    assert any(line.startswith("mosaic") for line in lines)


def test_plugins_names_the_distribution(sample_zoo: Zoo) -> None:
    [line] = [line for line in sample_zoo("plugins").stdout.splitlines() if "zoo-sample-adapter" in line]
    for word in ("zoo_sample_adapter", "0.3.1", "zoo_adapters", "zoo_analyzers", "zoo_registries", "zoo_commands"):
        assert word in line


def test_info_of_the_model(sample_zoo: Zoo) -> None:
    facts = json.loads(sample_zoo("info", "mosaic", "--json").stdout)
    assert facts["name"] == MODEL
    assert facts["licence"]["weights"] == "CC0-1.0"
    assert facts["regions"] == {"pebble": "box:0.375,0.25,0.25,0.5"}
    assert facts["obstacles"]["random-orthonormal"] is None


def test_info_of_the_adapter_and_the_analyzer(sample_zoo: Zoo) -> None:
    adapter = json.loads(sample_zoo("info", "adapter:mosaic", "--json").stdout)
    assert adapter["models"] == [MODEL]
    assert adapter["options"] == [{"name": "gain", "default": 1.0, "meaning": "contrast of the picture"}]
    analyzer = json.loads(sample_zoo("info", "random-orthonormal", "--json").stdout)
    assert analyzer["options"] == [{"name": "k", "default": 4, "meaning": "how many directions to return, at most"}]


def test_info_says_that_an_analyzer_requires_nothing(sample_zoo: Zoo) -> None:
    """An empty list must not remove the row from the table."""
    shown = sample_zoo("info", "random-orthonormal").stdout
    assert any(line.startswith("requires") for line in shown.splitlines())


def test_its_command_works(sample_zoo: Zoo) -> None:
    assert "mosaic-mean" in sample_zoo("--help").stdout
    assert "the mean of w (4 x 12) has length" in sample_zoo("mosaic-mean", "mosaic").stdout


def test_the_plugin_does_not_slow_the_listing(installed: Path, tmp_path: Path) -> None:
    """Listing a plugin does not import torch."""
    code = (
        "import sys\nfrom zoo.cli import run\n"
        'for words in (["list"], ["list", "--matrix"], ["info", "mosaic"], ["plugins"], ["--help"]):\n'
        "    assert run(words) == 0\n    assert 'torch' not in sys.modules, words"
    )
    python("-c", code, site=installed, cwd=tmp_path, executable=sys.executable)


def test_without_the_plugin_nothing_of_it_is_known(run_zoo: Zoo) -> None:
    done = run_zoo("info", "mosaic")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


# The command line on the shipped model


@pytest.fixture
def here(plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty folder, in which the command line can run in this process, without importing torch again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    for variable in [name for name in os.environ if name.startswith("ZOO_")]:
        monkeypatch.delenv(variable)
    return tmp_path


def metadata_of(file: Path) -> dict[str, Any]:
    with safe_open(file, framework="pt") as content:
        metadata: dict[str, Any] = json.loads(content.metadata()["card"])
    return metadata


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("-a", "sefa"), marks=pytest.mark.long),
        pytest.param(("-a", "lowrank", "--region", "pebble", "--samples", "2"), marks=pytest.mark.long),
        pytest.param(("-a", "nullspace", "--region", "pebble"), marks=pytest.mark.long),
        ("-a", "random-orthonormal", "--region", "pebble+left", "-o", "k=3", "--truncation", "0.7"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_analyze_writes_a_run_folder(here: Path, arguments: tuple[str, ...]) -> None:
    assert run_here(["analyze", "mosaic", *arguments, "--layers", "1-2", "--device", "cpu", "--out", "run"]) == 0
    folder = here / "run"
    assert {path.name for path in folder.iterdir()} == {
        "sheet.png",
        "report.html",
        "directions.safetensors",
        "codes.safetensors",
        ".zoo-run.json",
    }
    vectors = load_file(folder / "directions.safetensors")["vectors"]
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors), dtype=vectors.dtype))
    metadata = metadata_of(folder / "directions.safetensors")
    assert metadata["layers"] == [1, 2]
    assert metadata["model"] == MODEL
    assert metadata["analyzer"] == arguments[1]
    assert load_file(folder / "codes.safetensors")["latents"].shape[1:] == (4, 12)
    assert MODEL in (folder / "report.html").read_text(encoding="utf-8")


def test_edit_and_the_recorded_command(sample_zoo: Zoo, tmp_path: Path) -> None:
    """Directions of a run folder can be used to edit, and its recorded command gives the same directions again."""
    question = ["mosaic", "-a", "random-orthonormal", "-o", "k=3", "--layers", "1-2", "--show", "1", "--unseen", "0"]
    done = sample_zoo("analyze", *question, "--device", "cpu", "--out", "run")
    # the licence is shown once, for whichever test comes first
    assert done.stderr in {"", f"{MODEL} · weights: CC0-1.0; data: none\n"}
    file = tmp_path / "run" / "directions.safetensors"
    assert metadata_of(file)["layers"] == [1, 2]
    sample_zoo(
        "edit",
        "mosaic",
        "run",
        "--layers",
        "2-3",
        "--index",
        "0,2",
        "--samples",
        "2",
        "--video",
        "gif",
        "--frames",
        "4",
        "--out",
        "edited",
    )
    assert {path.name for path in (tmp_path / "edited").iterdir()} == {
        ".zoo-run.json",
        "codes.safetensors",
        "edit.gif",
        "sheet.png",
    }
    program, *command = shlex.split(metadata_of(file)["command"])
    assert program == "zoo"
    sample_zoo(*command, "--out", "again")
    again = load_file(tmp_path / "again" / "directions.safetensors")["vectors"]
    assert torch.equal(load_file(file)["vectors"], again)


@pytest.mark.parametrize("layers", ["4", "2-9", "x", "3-1"])
def test_layers_that_do_not_exist(here: Path, capsys: pytest.CaptureFixture[str], layers: str) -> None:
    assert run_here(["analyze", "mosaic", "--layers", layers, "--out", "run"]) == 2
    assert "--layers" in capsys.readouterr().err.splitlines()[-1]
    assert not (here / "run").exists()
