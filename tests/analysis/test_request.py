import pkgutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import yaml
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.registry.test_registry import CARD
from tests.support.linear import model_of
from tests.support.toys import write_tiny
from zoo import OptionError, Options
from zoo.analysis.request import AnalysisRequest, command_of
from zoo.analysis.run import run_analysis
from zoo.editing.requests import USUAL_OPENING, CodesRequest, OpeningRequest
from zoo.plugins.entries import AdapterPlugin
from zoo.plugins.manager import Plugins
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


@pytest.fixture
def registry(file: str, tmp_path: Path) -> Path:
    """A registry with a card for the file."""
    card = {**CARD, "weights": {"sources": [{"url": file}]}}
    (tmp_path / "cards.yaml").write_text(yaml.safe_dump({"models": [card]}))
    return tmp_path / "cards.yaml"


def test_what_the_analyzer_does_not_know_goes_to_the_architecture(seen: list[Mapping[str, Any]], file: str) -> None:
    question = AnalysisRequest(analyzer="sefa", options={"k": "3", "noise": "fresh"}, unseen=0)
    done = run_analysis(question, file, load_installation())
    assert [config["noise"] for config in seen] == ["fresh"]
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


def test_folders_are_named_after_what_was_chosen() -> None:
    def name(opening: OpeningRequest = USUAL_OPENING, **words: Any) -> str:
        return AnalysisRequest(analyzer="lowrank", **words).usual_folder("dcgan.a", opening).as_posix()

    def drawn(**words: Any) -> str:
        return name(codes=CodesRequest(**words)).removeprefix("runs/dcgan.a-lowrank-all")

    assert name() == name(show=3, unseen=0) == name(OpeningRequest(device="cpu")) == "runs/dcgan.a-lowrank-all"
    assert name(layers="coarse,4-7", options={"k": 2}) == "runs/dcgan.a-lowrank-all-layers-coarse_4-7-k-2"
    assert name(OpeningRequest(space="z", dtype="float64")) == "runs/dcgan.a-lowrank-all-space-z-dtype-float64"
    assert drawn(seed=0, samples=1) == drawn() == ""
    assert drawn(seed=3, samples=2, label="a b", truncation=0.5) == "-samples-2-seed-3-label-a_b-truncation-0.5"
    assert drawn(seeds="1-8") == drawn(seeds="1-8") != drawn(seeds="1-9")
    assert drawn(codes=Path("x/codes.npy"), read_as="rows") == "-codes-codes-codes-as-rows"
    long = {name(options={"directions": "a" * 300 + end}) for end in "bc"}
    assert len(long) == 2 and max(map(len, long)) < 120
    assert len(name(options={f"o{n}": "a" * 50 for n in range(9)})) <= len("runs/") + 200


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


class Light(zoo.Scorer):
    attributes = ("light",)

    def fits(self, card: object) -> bool:
        return True

    def score(self, images: Tensor) -> Tensor:
        return images.mean(dim=(1, 2, 3))[:, None]


def count_calls(monkeypatch: pytest.MonkeyPatch, *names: str) -> Counter[str]:
    """Count the calls of functions, each named as ``module.function`` where it is used."""
    calls: Counter[str] = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            calls[name.rpartition(".")[2]] += 1
            return function(*given, **named)

        return call

    for name in names:
        monkeypatch.setattr(name, counted(name, pkgutil.resolve_name(name)))
    return calls


def test_each_word_is_read_once_and_steps_are_chosen_once(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the model is opened and after, for the scores and for the report."""
    plugin = zoo.ScorerPlugin(name="light", summary="test", load=lambda: Light, attributes=("light",))
    monkeypatch.setattr(Plugins, "scorers", {"light": plugin})
    calls = count_calls(
        monkeypatch,
        "zoo.analysis.reading.parse_region",
        "zoo.analysis.request.parse_options",
        "zoo.analysis.resources.parse_size",
        "zoo.analysis.measure.choose_steps",
    )
    found = zoo.analyze(
        "dcgan.mine", region="top", k=2, memory="1GB", registry=[registry], out=tmp_path / "run", device="cpu"
    )
    assert found.provenance["names"] is not None
    assert calls == {"parse_region": 1, "parse_options": 1, "parse_size": 1, "choose_steps": 1}


def test_steps_are_chosen_only_where_something_shows_them(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plugins, "scorers", {})
    calls = count_calls(monkeypatch, "zoo.analysis.measure.choose_steps")
    model = zoo.load("dcgan.mine", registry=[registry], device="cpu")
    assert zoo.analyze(model, k=2).provenance["measured"] is None
    assert not calls
    zoo.analyze(model, k=2, out=tmp_path / "run")
    assert calls == {"choose_steps": 1}
    zoo.analyze(model, region="top", k=2)
    assert calls == {"choose_steps": 2}


def test_a_request_is_resolved_on_a_model() -> None:
    model = model_of(DCGAN.tiny(0))
    request = AnalysisRequest(
        analyzer="lowrank", region="top", codes=CodesRequest(samples=3, seed=5), options={"k": "2"}
    )
    resolved = request.resolve(model, load_installation())
    assert torch.equal(resolved.codes.latents, model.sample(3, seed=5).latents)
    assert (resolved.region.text, resolved.layers, resolved.analyzer.options.k) == ("top", None, 2)
    assert resolved.budget.cache is None
    further = resolved.draw_unseen(2)
    assert not torch.isin(further.latents, resolved.codes.latents).any()
