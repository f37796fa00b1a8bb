"""The sample's network and the built-in ones meet the contract, with every analyzer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from tests.support.families import OF_EXTRAS
from tests.support.marks import mostly_long
from tests.support.plugins import MODEL
from zoo import Adapter, Analyzer, AnalyzerPlugin, Directions, Model, Probe
from zoo.core.region import parse_region
from zoo.plugins import Plugins
from zoo.testing import check_adapter, draw, layer_choices, leaves_no_trace

SEEDS = (0, 1)


def unsupervised(plugins: Plugins) -> list[AnalyzerPlugin]:
    """List the analyses that need no scorer, as none fits these networks."""
    return [entry for entry in plugins.analyzers.values() if not entry.supervised]


def assert_contract(plugin: AnalyzerPlugin, adapter: Adapter, layers: tuple[int, ...] | None, seed: int) -> None:
    """Analyse twice, and once with a callback that raises; compare the results, and require that no trace is left."""
    analyzer: Analyzer[Any] = plugin.resolve()(plugin.schema()())
    codes = draw(adapter, 2, seed)
    before = codes.latents.clone()

    def analyze(progress: Callable[[int, int, str], None]) -> Directions:
        region = parse_region("center", adapter.resolution)
        return analyzer.analyze(adapter, Probe(codes, region, layers, torch.Generator().manual_seed(seed), progress))

    def fail(done: int, total: int, what: str) -> None:
        raise KeyboardInterrupt

    with leaves_no_trace(adapter):
        found = analyze(lambda done, total, what: None)
    with leaves_no_trace(adapter):
        again = analyze(lambda done, total, what: None)
    with leaves_no_trace(adapter), suppress(KeyboardInterrupt):
        analyze(fail)
    assert torch.equal(codes.latents, before)
    assert found.space == adapter.space
    assert found.vectors.shape[1] == adapter.space.dim
    assert found.vectors.dtype == torch.float64
    assert len(found) >= 1
    assert torch.isfinite(found.vectors).all()
    assert torch.isfinite(found.scores).all()
    assert (found.scores[:-1] >= found.scores[1:]).all()
    torch.testing.assert_close(found.vectors.norm(dim=1), torch.ones(len(found), dtype=torch.float64))
    assert found.layers == (layers if adapter.space.layers > 1 else None)
    assert torch.equal(found.vectors, again.vectors)
    assert torch.equal(found.scores, again.scores)


def cells(plugins: Plugins) -> list[tuple[AnalyzerPlugin, str]]:
    """Return every analyzer with every adapter that it can run on."""
    pairs = [
        (analyzer, adapter)
        for analyzer in unsupervised(plugins)
        for adapter in plugins.adapters.values()
        if adapter.name not in OF_EXTRAS
    ]
    return [(analyzer, adapter.name) for analyzer, adapter in pairs if analyzer.obstacle(adapter) is None]


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_matrix_on_tiny_networks(plugins: Plugins, seed: int) -> None:
    """Every analyzer meets the contract on the tiny network of every adapter, for every choice of layers."""
    tried = set()
    for plugin, name in cells(plugins):
        adapter = plugins.adapter(name).resolve().tiny(seed)
        for layers in layer_choices(adapter):
            assert_contract(plugin, adapter, layers, seed)
        tried.add((plugin.name, name))
    built_in = {
        (analyzer, family)
        for family in ("biggan", "biggan-deep", "dcgan", "pggan", "studiogan", "stylegan", "stylegan2")
        for analyzer in ("sefa", "lowrank", "nullspace", "resefa", "random-orthonormal")
    }
    assert built_in | {(analyzer, "mosaic") for analyzer, _ in built_in} <= tried


def test_matrix_on_the_shipped_model(plugins: Plugins, mosaic: Model) -> None:
    for plugin in unsupervised(plugins):
        if plugin.obstacle(plugins.adapter("mosaic")) is None:
            for layers in (None, (1, 2)):
                assert_contract(plugin, mosaic.adapter, layers, 0)


@pytest.mark.parametrize("seed", mostly_long(SEEDS, (0,)))
def test_conformance_of_the_tiny_network(plugins: Plugins, seed: int) -> None:
    check_adapter(plugins.adapter("mosaic").resolve().tiny(seed), seed)


def test_conformance_of_the_shipped_model(mosaic: Model) -> None:
    check_adapter(mosaic.adapter)


def test_tiny_depends_only_on_its_seed(plugins: Plugins) -> None:
    family = plugins.adapter("mosaic").resolve()
    first, again, other = (family.tiny(seed).network.state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_card_and_weights_agree(mosaic: Model) -> None:
    assert mosaic.layout == "mosaic"
    assert mosaic.adapter.resolution == (32, 32)
    assert mosaic.adapter.space == zoo.LatentSpace("w", 12, layers=4)


def test_options_come_from_the_card_and_from_the_caller(mosaic: Model) -> None:
    codes = mosaic.sample(2)
    plain = zoo.load(MODEL, device="cpu", options={"gain": 1.0}).adapter.synthesize(codes)
    torch.testing.assert_close(mosaic.adapter.synthesize(codes), 1.5 * plain)
    with pytest.raises(zoo.OptionError, match="gian"):
        zoo.load(MODEL, device="cpu", options={"gian": 1.0})


def test_truncation_scales_towards_the_mean(mosaic: Model) -> None:
    mean = mosaic.adapter.network.get_buffer("mean")
    untruncated = mosaic.sample(3, seed=5).latents
    truncated = mosaic.sample(3, seed=5, truncation=0.25).latents
    torch.testing.assert_close(truncated - mean, 0.25 * (untruncated - mean))


def test_weights_are_recognised_without_a_card(installed: Path, mosaic: Model) -> None:
    bare = zoo.load(installed / "zoo_sample_adapter" / "pebbles32.safetensors", device="cpu")
    assert bare.card.adapter == "mosaic"
    codes = bare.sample(1)
    torch.testing.assert_close(bare.adapter.synthesize(codes) * 1.5, mosaic.adapter.synthesize(codes))


def test_float64(plugins: Plugins) -> None:
    model = zoo.load(MODEL, device="cpu", dtype="float64")
    assert model.adapter.synthesize(model.sample(1)).dtype == torch.float64


def test_an_edit_moves_only_the_analysed_layers(plugins: Plugins, mosaic: Model) -> None:
    found = zoo.analyze(mosaic, "random-orthonormal", layers="1-2", k=2)
    assert found.layers == (1, 2)
    assert len(found) == 2
    codes = mosaic.sample(1)
    edited = zoo.edit(mosaic, found, codes=codes, strengths=(2.0,)).images[0, 0, 0]
    moved = codes.latents.clone()
    moved[:, 1:3] += 2 * found.vectors[0].to(moved)
    torch.testing.assert_close(edited, mosaic.adapter.synthesize(zoo.Codes(moved))[0])
