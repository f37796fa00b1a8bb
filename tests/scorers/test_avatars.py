"""The scorer of avatars: what it says of pictures that it was not trained on, and which models it fits."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from zoo_scorers.avatars.card import WEIGHTS, columns, read_card
from zoo_scorers.avatars.network import build_network
from zoo_scorers.avatars.scorer import Avatars

import zoo
from recipes.avatars import read
from tests.support import fork_server
from tests.support.linear import Linear, model_of
from zoo.plugins import load_plugins
from zoo.registry.cards import Card, Licence, Weights
from zoo.scoring.choosing import fitting_scorers
from zoo.scoring.effects import read_attributes

DATA = Path(__file__).parents[1] / "data" / "avatars.npz"
SURE = ("style", "skin", "hair_colour", "background", "glasses")
"""The attributes whose values are told apart by more than a few pixels."""


@pytest.fixture(scope="module")
def scorer() -> Avatars:
    return Avatars()


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Test images of the data set: (n, 3, 32, 32) in [-1, 1]."""
    return torch.from_numpy(np.load(DATA)["images"]).permute(0, 3, 1, 2).float() / 127.5 - 1


def accuracy(scorer: Avatars, images: Tensor) -> dict[str, float]:
    scores, labels = scorer.score(images), torch.from_numpy(np.load(DATA)["labels"]).long()
    attributes = read_attributes({"avatars": scorer})
    return {
        attribute.name: float((attribute.predicted(scores) == wanted)[wanted != 255].double().mean())
        for attribute, wanted in zip(attributes, labels.T, strict=True)
    }


def test_it_tells_the_attributes_of_avatars(scorer: Avatars, images: Tensor) -> None:
    found = accuracy(scorer, images)
    assert set(SURE) <= set(found)
    assert all(found[name] >= 0.9 for name in SURE), found  # of 64 images; the card has the figures of thousands
    assert sum(found.values()) / len(found) >= 0.9


def test_it_averages_larger_images(scorer: Avatars, images: Tensor) -> None:
    larger = images.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    found, wanted = accuracy(scorer, larger), accuracy(scorer, images)
    assert all(found[name] >= wanted[name] - 0.05 for name in SURE)


def test_scores_are_log_probabilities_of_the_values(scorer: Avatars, images: Tensor) -> None:
    scores = scorer.score(images[:4])
    assert scores.shape == (4, len(Avatars.attributes))
    for attribute in read_attributes({"avatars": scorer}):
        sums = scores[:, attribute.columns].exp().sum(dim=1)
        torch.testing.assert_close(sums, torch.ones(4))


def test_masks_are_those_of_the_drawings(scorer: Avatars) -> None:
    data = read(DATA.with_name("avatars"), "test")
    images = torch.from_numpy(data.images).permute(0, 3, 1, 2).float() / 127.5 - 1
    found, true = scorer.masks(images).numpy(), data.masks[:, [data.parts.index(part) for part in Avatars.parts]]
    assert found.shape == true.shape and found.dtype == bool
    both, either = (found & true).sum(axis=(2, 3)), (found | true).sum(axis=(2, 3))
    overlaps = both.sum(axis=0) / either.sum(axis=0)
    assert (overlaps >= (0.6, 0.6, 0.7, 0.7)).all(), overlaps
    glasses = Avatars.parts.index("glasses")
    assert (found[:, glasses].any(axis=(1, 2)) == true[:, glasses].any(axis=(1, 2))).all()


def test_masks_have_the_size_of_the_images(scorer: Avatars, images: Tensor) -> None:
    larger = images[:2].repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    assert scorer.masks(larger).shape == (2, len(Avatars.parts), 128, 128)


def test_features_are_what_the_attributes_are_read_from(scorer: Avatars, images: Tensor) -> None:
    found = scorer.features(images)
    assert found.shape == (len(images), 192)
    alone = torch.cat([scorer.features(image[None]) for image in images[:3]])
    torch.testing.assert_close(found[:3], alone, atol=1e-4, rtol=1e-4)  # float32, batched otherwise
    assert float(found.std(dim=0).mean()) > 0


def timm_network(outputs: int) -> Any:
    """Build timm's network of the same shape, whose first pooling is taken out."""
    timm = pytest.importorskip("timm")
    network = timm.create_model(
        "resnet10t", pretrained=False, num_classes=outputs, channels=(32, 64, 128, 192), stem_width=16
    )
    network.maxpool = torch.nn.Identity()
    return network


def test_the_untrained_network_is_that_of_timm() -> None:
    torch.manual_seed(3)
    found = build_network(7)
    torch.manual_seed(3)
    wanted = timm_network(7)
    assert list(found.state_dict()) == list(wanted.state_dict())
    for (name, value), expected in zip(found.state_dict().items(), wanted.state_dict().values(), strict=True):
        assert torch.equal(value, expected), name
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(found(images), wanted(images), rtol=0, atol=1e-6)  # both in training mode
    for (name, value), expected in zip(found.named_buffers(), wanted.buffers(), strict=True):
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-6, msg=name)


def test_the_trained_network_computes_what_timm_computes(scorer: Avatars, images: Tensor) -> None:
    wanted = timm_network(len(columns())).eval()
    wanted.load_state_dict(scorer._network.state_dict())
    noise = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for shown in (images, noise):
        with torch.no_grad():
            maps = wanted.forward_features(shown)
            logits, features = wanted.forward_head(maps), wanted.forward_head(maps, pre_logits=True)
        torch.testing.assert_close(scorer._network(shown), logits, rtol=0, atol=1e-6)
        torch.testing.assert_close(scorer.features(shown), features, rtol=0, atol=1e-6)


def test_timm_is_not_imported() -> None:
    """Both what torch imported for itself and the scorer are forgotten first, so that a new import is seen."""
    program = """
import sys, torch
for name in [name for name in sys.modules if name.startswith(("torchvision", "zoo_scorers"))]:
    del sys.modules[name]
from zoo_scorers.avatars.scorer import Avatars
Avatars().score(torch.zeros(1, 3, 32, 32))
print(*(name for name in ("timm", "torchvision") if name in sys.modules))
"""
    done = subprocess.run([fork_server.python(), "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_accuracy_of_the_card() -> None:
    told = read_card()
    assert set(told["accuracy"]) == set(told["attributes"])
    assert all(told["accuracy"][name] >= 0.95 for name in SURE)


def test_it_is_small() -> None:
    assert WEIGHTS.stat().st_size < 3_000_000


def test_the_entry_tells_the_attributes() -> None:
    entry = load_plugins().scorers["avatars"]
    assert entry.attributes == columns() == tuple(Avatars.attributes)
    assert entry.names == tuple(read_card()["attributes"])


def test_global_state_is_left_alone(images: Tensor) -> None:
    before = torch.random.get_rng_state()
    Avatars().score(images[:1])
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "dataset", "fits"),
    [
        ("biggan.avatars32", None, True),
        ("stylegan2.avatars", None, True),
        ("dcgan.mine", "avatars of recipes/avatars, 64 x 64", True),
        ("dcgan.mine", None, False),
        ("dcgan.digiface64", "DigiFace-1M", False),
        ("dcgan.avatars-of-mine", "my own avatars", False),
    ],
)
def test_the_models_that_it_fits(name: str, dataset: str | None, fits: bool) -> None:
    weights = Weights(obtain="nowhere")
    card = Card(
        name=name,
        adapter="dcgan",
        summary="a test",
        resolution=32,
        space="z",
        dim=4,
        dataset=dataset,
        weights=weights,
        licence=Licence("none"),
    )
    assert ("avatars" in fitting_scorers(card, load_plugins().scorers)) is fits


def test_it_scores_directions_of_a_model_that_it_fits(scorer: Avatars) -> None:
    import zoo

    model = model_of(Linear.tiny(0), "dcgan.avatars32")
    found = zoo.score(model, zoo.analyze(model, show=1, unseen=0), samples=4, show=2, step=1.0)
    assert [attribute.name for attribute in found.attributes] == list(read_card()["attributes"])
    assert all(attribute.values for attribute in found.attributes)


def test_scores_and_masks_of_the_same_images_take_one_pass(monkeypatch: pytest.MonkeyPatch, images: Tensor) -> None:
    scorer, passes = Avatars(), 0
    compute = scorer._compute_scores

    def count(images: Tensor) -> Tensor:
        nonlocal passes
        passes += 1
        return compute(images)

    monkeypatch.setattr(scorer, "_compute_scores", count)
    own = images[:3].clone()
    scores, masks = scorer.score(own), scorer.masks(own)
    assert passes == 1
    assert masks.equal(Avatars().masks(images[:3]))
    scores.zero_()
    assert scorer.score(own).equal(Avatars().score(images[:3])), "what a caller does to scores is their own affair"
    own.neg_()
    assert scorer.score(own).equal(Avatars().score(-images[:3])), "changed images are scored anew"
    assert passes == 2
    assert scorer.score(own.clone()).equal(scorer.score(own))
    with torch.inference_mode():
        assert scorer.score(images[:3].clone()).equal(Avatars().score(images[:3]))
    scorer.score(own.requires_grad_()).sum().backward()
    assert own.grad is not None


def test_an_analysis_asks_once_about_each_image(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    compute = Avatars._compute_scores

    def count(self: Avatars, images: Tensor) -> Tensor:
        seen.append(len(images))
        return compute(self, images)

    monkeypatch.setattr(Avatars, "_compute_scores", count)
    zoo.analyze(zoo.load("pggan"), "sefa", region="mouth", show=2)
    assert sum(seen) == (1 + 32) * (1 + 2 * 2)
