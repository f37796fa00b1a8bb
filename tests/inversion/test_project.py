"""Projecting pictures: networks of all families, what is written, and what is said."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from zoo_adapters.dcgan.adapter import DCGAN
from zoo_adapters.dcgan.network import DCGANGenerator
from zoo_adapters.stylegan2.adapter import StyleGAN2

import zoo
from tests.support.families import families
from tests.support.linear import Banded, Linear, model_of
from tests.support.marks import mostly_long
from zoo import Codes, Inversion, Model, OptionError, Options, Pictures, Projector, ProjectorPlugin, hookimpl
from zoo.core.channels import as_rgb
from zoo.inversion.options import FeatureOptions
from zoo.inversion.solving.candidates import REPRODUCED
from zoo.inversion.solving.search import Search
from zoo.jacobian import open_output
from zoo.plugins import load_plugins
from zoo.plugins.manager import Plugins
from zoo.registry.cards import Card
from zoo.testing import leaves_no_trace

FAMILIES = families()


def own_pictures(model: Model, count: int = 1, seed: int = 5, label: int | None = None) -> torch.Tensor:
    return as_rgb(model.render(model.sample(count, seed, label=label))).clamp(-1, 1)


@pytest.mark.parametrize("family", mostly_long(FAMILIES, ("dcgan",)))
def test_every_family_comes_nearer_than_any_drawn_code(family: str) -> None:
    model = model_of(FAMILIES[family].tiny(0))
    with leaves_no_trace(model.adapter):
        found = zoo.project(model, own_pictures(model), starts=2)
    again = as_rgb(model.render(found.codes)).clamp(-1, 1)
    error = float((again - found.pictures[0].pixels).double().square().mean())
    assert math.isclose(error, found.fits[0].error, rel_tol=1e-3, abs_tol=1e-9)
    drawn = as_rgb(model.render(model.sample(64, 9))).clamp(-1, 1)
    nearest = float((drawn - found.pictures[0].pixels).double().square().mean(dim=(1, 2, 3)).min())
    assert error < nearest / 4 or error < REPRODUCED


def test_the_very_code_of_a_picture_is_found() -> None:
    model = model_of(Linear.tiny(0))
    codes = model.sample(3, 5)
    found = zoo.project(model, as_rgb(model.render(codes)).clamp(-1, 1))
    assert torch.allclose(found.codes.latents, codes.latents, atol=1e-3)
    assert min(fit.psnr for fit in found.fits) > 90
    assert "the model draws this picture" in found.fits[0].sentence()


def test_rows_are_freed_where_the_picture_needs_it() -> None:
    model = model_of(Banded.of(3))
    drawn = torch.randn(1, 3, 6, generator=torch.Generator().manual_seed(3))
    picture = model.render(Codes(drawn))
    tied, free = (zoo.project(model, picture, rows=rows, ridge=0.0).fits[0] for rows in ("tied", None))
    assert (tied.rows, free.rows) == ("tied", "free")
    assert free.psnr > tied.psnr + 20
    own = zoo.project(model, model.render(model.sample(1, 4))).fits[0]
    assert own.rows == "tied" and own.psnr > 60


def test_the_class_of_a_picture_is_found() -> None:
    model = model_of(DCGAN.load(DCGANGenerator([12 + 2, 16, 12, 3]).state_dict(), {"classes": ("a", "b")}))
    picture = own_pictures(model, label=1)
    found = zoo.project(model, picture, starts=1)
    assert found.fits[0].label == model.adapter.classes[int(found.codes.labels[0])]  # type: ignore[index]
    asked = zoo.project(model, picture, label=0, starts=1)
    assert asked.codes.labels is not None and asked.codes.labels.tolist() == [0]


@pytest.mark.parametrize(
    ("family", "space"),
    mostly_long([("pggan", None), ("stylegan2", "z"), ("dcgan", None), ("stylegan2", None)], (("dcgan", None),)),
)
def test_a_distance_is_told_only_where_lengths_count(family: str, space: str | None, tmp_path: Path) -> None:
    adapter = FAMILIES[family].tiny(0)
    if space is not None:
        adapter = StyleGAN2(adapter.network, space=space)  # type: ignore[arg-type]
    model = model_of(adapter)
    found = zoo.project(model, own_pictures(model), starts=1)
    normalises = family == "pggan" or space == "z"
    assert (found.fits[0].distance is None) == normalises
    assert ("distance" in found.table()[0]) != normalises
    assert any("normalises codes, so that none lies farther out" in note for note in found.notes()) == normalises
    found.save(tmp_path / "run")
    assert ("<b>Distance</b>" in (tmp_path / "run" / "report.html").read_text()) != normalises
    assert json.loads((tmp_path / "run" / "projection.json").read_text())["pictures"][0]["distance"] == (
        found.fits[0].distance and round(found.fits[0].distance, 4)
    )


def test_only_the_region_counts() -> None:
    model = model_of(Linear.tiny(0))
    picture = own_pictures(model)
    spoilt = picture.clone()
    spoilt[..., 4:, :] = 1.0
    inside = zoo.project(model, spoilt, region="top")
    assert inside.fits[0].psnr > 60
    assert torch.allclose(as_rgb(inside.images).clamp(-1, 1)[..., 4:, :], picture[..., 4:, :], atol=1e-2)
    assert zoo.project(model, spoilt).fits[0].psnr < 30


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
def test_features_count_beside_pixels(tmp_path: Path) -> None:
    import timm

    file = tmp_path / "features.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(timm.create_model("test_resnet", pretrained=False).state_dict(), file)
    model = model_of(DCGAN.tiny(0))
    spoilt = own_pictures(model) * 0.5 + 0.3  # which the model cannot draw
    options: dict[str, Any] = {"output": "timm:test_resnet", "features": file}
    network = open_output(FeatureOptions(**options), model.adapter)

    def off(found: Inversion) -> float:
        pixels = as_rgb(found.images).clamp(-1, 1)
        features = [network(images.flatten(2), found.region) for images in (pixels, spoilt)]
        return float((features[0] - features[1]).norm())

    plain = zoo.project(model, spoilt, starts=1)
    with_features = zoo.project(model, spoilt, starts=1, loss="features", **options)
    assert off(with_features) < off(plain)
    assert with_features.fits[0].psnr < plain.fits[0].psnr
    with pytest.raises(OptionError, match="features are those of timm:NAME"):
        zoo.project(model, spoilt, loss="features", output="grey")


def test_a_seed_gives_the_same_bits() -> None:
    model = model_of(DCGAN.tiny(0))
    picture = own_pictures(model)
    first, second = (zoo.project(model, picture, starts=1, seed=3) for _ in range(2))
    assert torch.equal(first.codes.latents, second.codes.latents)
    assert not torch.equal(first.codes.latents, zoo.project(model, picture, starts=1, seed=4).codes.latents)


def test_less_memory_gives_the_same_answer() -> None:
    model = model_of(DCGAN.tiny(0))
    picture = own_pictures(model, 2)
    plenty, little = zoo.project(model, picture, starts=1), zoo.project(model, picture, starts=1, memory="1MB")
    assert [round(fit.psnr) for fit in plenty.fits] == [round(fit.psnr) for fit in little.fits]
    with pytest.raises(OptionError, match="--memory 2kB: one gradient here needs"):
        zoo.project(model, picture, memory=2000)


def test_memory_is_counted_with_the_classes_of_a_conditional_network() -> None:
    model = model_of(FAMILIES["biggan"].tiny(0))
    with pytest.raises(OptionError, match="one gradient here needs"):
        zoo.project(model, own_pictures(model), memory=2000)


def test_what_is_found_before_ctrl_c_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = model_of(DCGAN.tiny(0))
    turn: Callable[..., None] = Search._turn

    def interrupted(search: Search, pictures: list[int], ranks: range) -> None:
        turn(search, pictures[:1], ranks)
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "_turn", interrupted)
    found = zoo.project(model, own_pictures(model, 2))
    assert found.interrupted and len(found) == 2
    assert found.fits[0].psnr > found.fits[1].psnr
    found.save(tmp_path / "run")
    assert len(model.read_codes(tmp_path / "run" / "codes.safetensors")) == 2
    with pytest.raises(zoo.ZooError, match="interrupted"):
        found.raise_if_interrupted(tmp_path / "run")


class Mean(Projector[Options]):
    """Answers with the mean code."""

    def project(self, adapter: zoo.Adapter, pictures: Pictures) -> Codes:
        return Codes(torch.zeros(len(pictures), *adapter.space.shape))


class Loud(Projector[Options]):
    """Fails."""

    def project(self, adapter: zoo.Adapter, pictures: Pictures) -> Codes:
        raise LookupError("nothing here")


class Bound(Mean):
    """Serves another model, and answers with what is no code."""

    def fits(self, card: Card) -> bool:
        return card.name != "test.model"

    def project(self, adapter: zoo.Adapter, pictures: Pictures) -> Codes:
        return pictures.images  # type: ignore[return-value]


class Plugin:
    """A plugin with three projectors."""

    @hookimpl
    def zoo_projectors(self) -> list[ProjectorPlugin]:
        return [
            ProjectorPlugin(name="mean", summary="the mean", load=lambda: Mean),
            ProjectorPlugin(name="loud", summary="fails", load=lambda: Loud),
            ProjectorPlugin(name="bound", summary="serves another model", load=lambda: Bound),
        ]


@pytest.fixture
def _projectors(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = load_plugins()
    plugins.manager.register(Plugin(), "tests")
    monkeypatch.setattr("zoo.registry.registry.load_plugins", lambda: plugins, raising=False)
    monkeypatch.setattr(Plugins, "projectors", plugins.projectors)


@pytest.mark.usefixtures("_projectors")
def test_a_plugin_brings_a_projector() -> None:
    model = model_of(DCGAN.tiny(0))
    found = zoo.project(model, own_pictures(model, 2), projector="mean")
    assert not found.codes.latents.any()
    assert found.method == "mean: the mean"
    with pytest.raises(zoo.ContractError, match=r"the projector loud failed on test\.model: LookupError: nothing here"):
        zoo.project(model, own_pictures(model), projector="loud")
    with pytest.raises(zoo.CapabilityError, match=r"--projector bound: it does not serve test\.model; leave it out"):
        zoo.project(model, own_pictures(model), projector="bound")
    other = replace(model, card=replace(model.card, name="test.other"))
    with pytest.raises(zoo.ContractError, match=r"the projector bound returned Tensor, not zoo\.Codes"):
        zoo.project(other, own_pictures(model), projector="bound")
    with pytest.raises(OptionError, match="--rows is for zoo's own search"):
        zoo.project(model, own_pictures(model), projector="mean", rows="free")
    with pytest.raises(zoo.UnknownNameError, match="did you mean mean"):
        zoo.project(model, own_pictures(model), projector="meen")


def test_a_notebook_shows_it() -> None:
    model = model_of(DCGAN.tiny(0))
    found: Inversion = zoo.project(model, own_pictures(model), starts=1)
    shown: Any = found._repr_html_()
    assert "data:image/png" in shown and "PSNR" in shown
    assert repr(found).startswith("Inversion(1 pictures in test.model: ")
