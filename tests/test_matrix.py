"""Every analyzer on every adapter: tiny networks, then real ones."""

from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from tests.support.families import families
from tests.support.linear import model_of
from tests.support.marks import mostly_long
from zoo.core.analyzer import Analyzer, Probe
from zoo.errors import ZooError
from zoo.models.model import Model
from zoo.registry.registry import load_installation
from zoo.testing import leaves_no_trace

ZOO = load_installation()
# Those that learn from scorers, which fit none of these models, have tests of their own.
ANALYZERS = [name for name, entry in ZOO.plugins.analyzers.items() if not entry.supervised]
PAIRS = [(adapter, analyzer) for adapter in families() for analyzer in ANALYZERS]
# Each analyzer on one or two families.
OFTEN = [("dcgan", "sefa"), ("studiogan", "sefa"), ("pggan", "nullspace"), ("r3gan", "nullspace")]
OFTEN += [("stylegan2", "lowrank"), ("stylegan2", "resefa")]
CARDS = ZOO.registry.cards.values()
MODELS = [card.name for card in CARDS if card.weights.verified]


# A few pixels, for real networks.
SMALL = "box:0.45,0.45,0.1,0.1"


def check(model: Model, analyzer: str, folder: Path, region: str = "center", unseen: int = 1, show: int = 2) -> None:
    with leaves_no_trace(model.adapter):
        found = zoo.analyze(model, analyzer, region=region, unseen=unseen, show=show, out=folder)
    assert len(found) >= 1
    assert found.space == model.adapter.space
    assert bool(torch.isfinite(found.scores).all())
    assert torch.allclose(found.vectors.norm(dim=1), torch.ones(len(found), dtype=torch.float64), atol=1e-9)
    assert bool((found.scores[:-1] >= found.scores[1:]).all())
    assert {file.name for file in folder.glob("[!.]*")} == {
        "directions.safetensors",
        "codes.safetensors",
        "sheet.png",
        "report.html",
    }
    again = zoo.Directions.load(folder / "directions.safetensors", space=model.adapter.space)
    assert torch.equal(again.vectors, found.vectors)
    assert again.provenance == found.provenance


@pytest.mark.parametrize(("adapter", "analyzer"), mostly_long(PAIRS, OFTEN))
def test_tiny(adapter: str, analyzer: str, tmp_path: Path) -> None:
    plugin = ZOO.plugins.adapter(adapter)
    obstacle = ZOO.plugins.analyzer(analyzer).obstacle(plugin)
    if obstacle:
        pytest.skip(obstacle)
    check(model_of(plugin.resolve().tiny(0)), analyzer, tmp_path / "run")


@pytest.mark.real
@pytest.mark.parametrize("model", mostly_long(MODELS, ("dcgan.digiface64",)))
def test_every_real_model(model: str, tmp_path: Path) -> None:
    check(zoo.load(model, device="cpu"), "lowrank", tmp_path / "run", SMALL, unseen=0, show=1)


@pytest.mark.real
@pytest.mark.parametrize("analyzer", mostly_long([name for name in ANALYZERS if name != "lowrank"], ("sefa",)))
def test_every_analyzer_on_a_real_model(analyzer: str, tmp_path: Path) -> None:
    """`lowrank` runs on each of them."""
    check(zoo.load("dcgan.digiface64", device="cpu"), analyzer, tmp_path / "run", SMALL, unseen=0, show=1)


@pytest.mark.parametrize("analyzer", ANALYZERS)
@pytest.mark.parametrize("moment", ["region_output", "move", "projections"])
def test_a_failed_analysis_leaves_no_trace(analyzer: str, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = ZOO.plugins.analyzer(analyzer)
    model = model_of(ZOO.plugins.adapter("dcgan").resolve().tiny(0))
    made: Analyzer[Any] = plugin.resolve()(plugin.schema()())

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(type(model.adapter), moment, fail)
    codes = zoo.Codes(torch.zeros(1, model.adapter.space.dim))
    probe = Probe(codes, model.region("center"), None, torch.Generator())
    needed = "projection" in plugin.requires
    with leaves_no_trace(model.adapter):
        if needed == (moment == "projections"):
            with pytest.raises((RuntimeError, ZooError), match="on purpose"):
                made.analyze(model.adapter, probe)
        else:
            made.analyze(model.adapter, probe)
