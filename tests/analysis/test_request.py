from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import model_of
from tests.support.toys import write_tiny
from zoo import OptionError, Options
from zoo.analysis.request import AnalysisRequest, command_of
from zoo.analysis.run import run_analysis
from zoo.editing.requests import CodesRequest
from zoo.plugins.entries import AdapterPlugin
from zoo.registry.registry import load_installation


class Noisy(Options):
    noise: Literal["stored", "fresh"] = "stored"
    k: int = 1


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """An architecture that can be told something: what its `load` was told."""
    told: list[Mapping[str, Any]] = []
    load = DCGAN.load.__func__  # type: ignore[attr-defined]

    def listen(cls: type[DCGAN], /, state: Any, config: Mapping[str, Any], **rest: Any) -> DCGAN:
        told.append(config)
        made: DCGAN = load(cls, state, config, **rest)
        return made

    monkeypatch.setattr(DCGAN, "load", classmethod(listen))
    monkeypatch.setattr(AdapterPlugin, "schema", lambda self: Noisy)
    return told


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(write_tiny(tmp_path / "mine.safetensors"))


def test_what_the_analyzer_does_not_know_goes_to_the_architecture(seen: list[Mapping[str, Any]], file: str) -> None:
    question = AnalysisRequest(analyzer="sefa", options={"k": "3", "noise": "fresh"}, unseen=0)
    done = run_analysis(question, file, load_installation())
    assert seen == [{"noise": "fresh"}]
    assert len(done.directions) == 3
    assert done.directions.provenance["network_options"] == {"noise": "fresh"}
    assert "-o k=3 -o noise=fresh" in done.directions.provenance["command"]


def test_what_neither_knows_is_refused(seen: list[Mapping[str, Any]]) -> None:
    with pytest.raises(OptionError, match="no option of sefa or dcgan is called 'noisy': did you mean noise"):
        run_analysis(AnalysisRequest(analyzer="sefa", options={"noisy": "1"}), "dcgan.digiface64", load_installation())
    assert not seen


def test_a_wrong_value_for_the_architecture_is_refused_before_anything_is_fetched(
    seen: list[Mapping[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OptionError, match="dcgan: option noise='loud'"):
        run_analysis(
            AnalysisRequest(analyzer="sefa", options={"noise": "loud"}), "dcgan.digiface64", load_installation()
        )
    assert capsys.readouterr().err == ""


def test_the_command_asks_the_same_again() -> None:
    model = model_of(DCGAN.tiny(0))
    codes = CodesRequest(samples=3, label="a b")
    question = AnalysisRequest(analyzer="lowrank", region="top", codes=codes, options={"k": 2}, layers=[1, 2])
    assert command_of(question, model) == (
        "zoo analyze test.model --analyzer lowrank --region top --samples 3 --layers 1,2 --label 'a b' -o k=2"
    )


def test_a_model_at_hand_takes_the_analyzers_options_only() -> None:
    with pytest.raises(OptionError, match="no option of sefa is called 'noise'"):
        zoo.analyze(model_of(DCGAN.tiny(0)), "sefa", noise="fresh")
