"""Kept Jacobians and budgets, as commands and Python callers meet them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import model_of
from tests.support.toys import write_tiny
from zoo import Codes, Model, OptionError, Region
from zoo.analysis.resources import budget_for, cache_key, read_limits
from zoo.cli import run

LOWRANK = ["analyze", "mine.safetensors", "--analyzer", "lowrank", "--region", "center", "--show", "1", "--unseen", "0"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_JACOBIANS", "50MB")
    write_tiny(tmp_path / "mine.safetensors")
    return tmp_path


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the derivatives that are taken: images for measures and reports are not rendered by regions."""
    seen: list[int] = []
    original = DCGAN.region_output

    def counted(self: DCGAN, codes: Codes, region: Region) -> torch.Tensor:
        seen.append(len(codes))
        return original(self, codes, region)

    monkeypatch.setattr(DCGAN, "region_output", counted)
    return lambda: len(seen)


def test_a_second_run_takes_no_derivative_and_writes_the_same(home: Path, passes: Callable[[], int]) -> None:
    assert run([*LOWRANK, "--out", "a"]) == 0
    first = passes()
    assert run([*LOWRANK, "--out", "b"]) == 0
    assert passes() == first > 0
    assert run([*LOWRANK, "--out", "c", "--no-keep"]) == 0
    assert passes() == 2 * first
    contents = [(home / name / "directions.safetensors").read_bytes() for name in "abc"]
    assert contents[0] == contents[1] == contents[2]


def test_nothing_is_kept_where_that_is_not_wanted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run([*LOWRANK, "--no-keep", "--out", "a"]) == 0
    monkeypatch.setenv("ZOO_JACOBIANS", "0")
    assert run([*LOWRANK, "--out", "b"]) == 0
    assert not (home / "cache" / "jacobians").exists()


def test_cache_tells_of_jacobians_and_drops_them(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*LOWRANK, "--samples", "3"]) == 0
    capsys.readouterr()
    assert run(["cache", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["jacobians"]
    assert told["codes"] == 3 and 0 < told["bytes"] < told["limit"] == 50_000_000
    assert run(["cache"]) == 0
    assert "Jacobians of 3 codes take" in capsys.readouterr().out
    assert run(["cache", "--drop-jacobians"]) == 0
    assert str(home / "cache" / "jacobians") in capsys.readouterr().out.replace("\n", "")
    assert run(["cache", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["jacobians"]["codes"] == 0


def test_a_budget_changes_the_chunk_and_nothing_else(home: Path) -> None:
    whole = zoo.analyze("./mine.safetensors", "lowrank", region="center", keep=False, unseen=0)
    tight = zoo.analyze("./mine.safetensors", "lowrank", region="center", keep=False, unseen=0, memory="72MB")
    assert torch.allclose(whole.scores, tight.scores, rtol=1e-5)
    with pytest.raises(OptionError, match="a single derivative of this network needs"):
        zoo.analyze("./mine.safetensors", "lowrank", region="center", keep=False, memory=1000)


@pytest.mark.parametrize("name", ["--memory", "ZOO_JACOBIANS"])
def test_sizes_that_cannot_be_read_are_refused_before_weights_are_touched(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "--memory":
        code = run([*LOWRANK, "--memory", "lots"])
    else:
        monkeypatch.setenv("ZOO_JACOBIANS", "lots")
        code = run(LOWRANK)
    shown = capsys.readouterr().err
    assert code == 2 and shown.startswith(f"zoo: {name} lots: write a number of bytes"), shown
    assert "licence" not in shown.lower()


def test_whatever_a_jacobian_depends_on_changes_the_identity(tmp_path: Path) -> None:
    def model(seed: int = 0) -> Model:
        return model_of(DCGAN.tiny(seed))

    usual = cache_key(model())
    assert cache_key(model()) == usual
    touched = model()
    touched.adapter.network.get_parameter("convs.1.weight").data[0, 0, 0, 0] += 1e-3
    exact = model()
    exact.adapter.network.to(torch.float64)

    folded = model()
    folded.adapter.network.get_buffer("weight1").mul_(2)

    class Mine(DCGAN):
        pass

    mine = model_of(Mine(DCGAN.tiny(0).network))
    others = [cache_key(one) for one in (model(1), touched, exact, folded, mine)]
    assert len({usual, *others}) == 6
    Mine.__module__ = "__notebook__"
    assert cache_key(mine) is None and budget_for(mine, read_limits()).cache is None
    assert budget_for(model(), read_limits(keep=False)).cache is None
