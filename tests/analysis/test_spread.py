"""One analysis shared out to processes has the bits of one that is not, in whatever order its parts are finished."""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

import zoo
from tests.support.toys import write_tiny
from zoo.analysis.spread import EngineSpread, _Collector, _InOrder
from zoo.cli import run
from zoo.core.adapter import Adapter
from zoo.core.analyzer import Probe
from zoo.engines.engine import Engine
from zoo.engines.tasks import FAILED, Listener, Queue, Setup, Task, carry_out
from zoo.jacobian.leading import leading_or_gram
from zoo.jacobian.timm_features import Features

ANALYZE = ["analyze", "./netG.safetensors", "-r", "box:4,4,6,6", "--no-keep", "--show", "1", "--unseen", "0"]

done_here: list[str] = []


def run_here(queue: Queue, setup: Setup, jobs: int, devices: Sequence[str], listener: Listener) -> None:
    """Carry tasks out in this process, shuffled, and through pickles as between processes."""
    function = pickle.loads(pickle.dumps(setup.work)).open(None)
    waiting: list[Task] = []
    moments = random.Random(0)
    done_here.clear()
    while queue.waiting or waiting:
        while len(waiting) < 5 and (task := queue.take("")) is not None:
            waiting.append(task)
        task = waiting.pop(moments.randrange(len(waiting)))
        answer, value = carry_out(function, pickle.loads(pickle.dumps(task)))
        if answer == FAILED:
            listener.fail("here", task, value)
        listener.finish("here", task, pickle.loads(pickle.dumps(value)))
        done_here.append(task.name)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny(tmp_path / "netG.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zoo.engines.engine.run_local", run_here)


def bits(name: str, *arguments: str) -> dict[str, bytes]:
    assert run([*ANALYZE, *arguments, "--out", name]) == 0
    return {file.name: file.read_bytes() for file in Path(name).glob("*.*") if file.suffix != ".html"}


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")  # of torch, in test_resnet
@pytest.mark.filterwarnings("ignore:.torch.jit.interface. is deprecated:FutureWarning")  # of torch, in an old timm
@pytest.mark.parametrize(
    "arguments",
    [
        ("-a", "nullspace", "--samples", "27"),  # groups of codes, two regions
        pytest.param(("-a", "lowrank", "--samples", "3", "-o", "chunk=4"), marks=pytest.mark.long),  # columns
        pytest.param(
            ("-a", "lowrank", "--samples", "2", "-o", "output=timm:test_resnet", "-o", "features=resnet.safetensors"),
            marks=pytest.mark.long,
        ),
    ],
)
def test_an_analysis_that_is_spread_has_the_same_bits(arguments: tuple[str, ...]) -> None:
    if "features=resnet.safetensors" in arguments:
        import timm
        from safetensors.torch import save_file

        if not timm.is_model("test_resnet"):
            pytest.skip("this timm is older than its small networks")
        torch.manual_seed(0)
        save_file(timm.create_model("test_resnet").state_dict(), "resnet.safetensors")
    alone = bits("alone", *arguments)
    assert bits("spread", *arguments, "--on", "local") == alone
    assert done_here


def test_a_result_is_not_waited_for_without_end() -> None:
    taken: list[int] = []
    collector = _Collector(taken.append)
    queue = _InOrder([Task(str(number), None) for number in range(100)], collector)
    first = queue.take("")
    assert first is not None and first.name == "0"
    count = 0
    while (task := queue.take("")) is not None:
        collector.finish("", task, int(task.name))
        count += 1
    assert count == 32 and not taken and queue.waiting
    queue.postpone(first, 0)  # its process has died
    assert queue.take("") == first
    collector.finish("", first, 0)
    assert taken == list(range(33)) and not collector.held


def test_from_python_too() -> None:
    model = zoo.load("./netG.safetensors", device="cpu")
    alone, shared = (zoo.analyze(model, "lowrank", samples=9, keep=False, on=on) for on in (None, "local"))
    assert shared.vectors.equal(alone.vectors) and len(done_here) == 2
    with pytest.raises(zoo.OptionError, match="--jobs 2 is of processes"):
        zoo.analyze(model, "lowrank", jobs=2)
    with torch.no_grad():
        next(model.adapter.network.parameters()).add_(1)
    with pytest.raises(zoo.ZooError, match=r"netG.safetensors is another network there: its weights, its plugin or"):
        zoo.analyze(model, "lowrank", samples=9, on="local")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-a", "sefa", "--on", "local"], "--on local shares derivatives out, and sefa takes none: leave it out"),
        (["-a", "lowrank", "--jobs", "2"], "--jobs 2 is of processes that share an analysis: pass --on local or"),
        (["-a", "lowrank", "--address", "a:1"], "--address a:1 is of processes that share an analysis"),
        (["-a", "lowrank", "--on", "mars"], "--on mars: there are local and ray"),
        (
            ["-a", "lowrank", "-o", "k=1", "-o", "method=sketched", "--on", "local"],
            "a search for leading directions is not spread: pass -o method=exact, or leave --on out",
        ),
    ],
)
def test_bad_options(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ANALYZE, *arguments]) == 2
    assert told in capsys.readouterr().err and not Path("runs").exists()


@pytest.mark.filterwarnings("always::zoo.errors.AnalysisWarning")
def test_an_engine_that_had_nothing_to_do_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("zoo.analysis.run.spread_over", lambda *_: EngineSpread(Engine(), Mock(), "cpu"))
    monkeypatch.setattr("zoo_analyzers.lowrank.analyzer.leading_or_gram", searching)
    assert run([*ANALYZE, "-a", "lowrank", "--on", "local", "--out", "here"]) == 0
    assert "warning: --on local shared nothing out: this analysis computes no Gram" in capsys.readouterr().err


def searching(adapter: Adapter, probe: Probe, *words: Any, **options: Any) -> Any:
    """Compute Gram matrices in this process, as an analysis that knows nothing of processes."""
    return leading_or_gram(adapter, replace(probe, budget=replace(probe.budget, spread=None)), *words, **options)


def test_a_part_that_fails_ends_the_analysis(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("zoo.jacobian.columns.RegionJacobian.jvp", lambda *_: torch.tensor([[float("nan")]]))
    assert run([*ANALYZE, "-a", "lowrank", "--on", "local"]) == 2
    assert "a part of the analysis failed: a derivative is not finite" in capsys.readouterr().err


def test_features_are_opened_again_by_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[object, ...]] = []
    monkeypatch.setattr("zoo.jacobian.timm_features._open_features", lambda *words: opened.append(words))
    features = Features("f", torch.nn.Identity(), (4, 4), torch.zeros(3), torch.ones(3), ("small", Path("w")))
    pickled = pickle.dumps(features)
    assert len(pickled) < 300 and pickle.loads(pickled) is pickle.loads(pickled) is None
    assert [words[:2] for words in opened] == [("small", Path("w"))]
