"""The networks of published sizes that benchmarks draw: those that the publications describe."""

import math

import pytest
import torch
from zoo_adapters.r3gan.adapter import R3GAN
from zoo_adapters.stylegan3.adapter import StyleGAN3

from benchmarks.pickled import Pickled, r3gan, stylegan3
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from zoo.checkpoints import detect_network
from zoo.testing import draw, render

SHAPES = {
    "t": {"L0_36_512": (512, 512, 3, 3), "L7_276_323": (323, 512, 3, 3), "L13_1024_32": (32, 32, 3, 3)},
    "r": {"L0_36_1024": (1024, 1024, 1, 1), "L10_1044_161": (161, 256, 1, 1), "L13_1024_64": (64, 64, 1, 1)},
}
PARAMETERS = {"t": 22_313_167, "r": 15_093_151}


def parameters(made: Pickled) -> int:
    return sum(
        tensor.numel() for key, tensor in made.state.items() if key.endswith(("weight", "bias", "Bias", "Basis"))
    )


@pytest.mark.parametrize("config", ["t", "r"])
def test_a_stylegan3_of_full_size_is_the_published_one(config: str) -> None:
    made = stylegan3(config, 1024)
    assert parameters(made) == PARAMETERS[config]
    for name, shape in SHAPES[config].items():
        assert tuple(made.state[f"synthesis.{name}.weight"].shape) == shape


@pytest.mark.parametrize("config", mostly_long(["t", "r"], ("r",)))
def test_filters_are_those_of_the_original(config: str) -> None:
    """As they stand in the recorded networks, but for rounding; and so are the sizes of maps."""
    state, made = Golden.read(f"stylegan3_{config}").state, stylegan3(config, 32).state
    for index in range(14):
        for way in ("up", "down"):
            one, two = (
                next(tensor for key, tensor in each.items() if f".L{index}_" in key and key.endswith(f"{way}_filter"))
                for each in (state, made)
            )
            assert torch.allclose(one, two, rtol=0, atol=1e-7)
    layers = [{"_".join(key.split("_")[:2]) for key in each if ".L" in key} for each in (state, made)]
    assert layers[0] == layers[1]  # the number and the size of each layer's map


@pytest.mark.parametrize("config", mostly_long(["t", "r"], ("r",)))
def test_what_stands_beside_a_stylegan3_is_what_its_tensors_tell(config: str) -> None:
    made = stylegan3(config, 256, classes=3)
    layout = StyleGAN3.layouts[0]
    with_meta, without = (layout.convert(made.state, meta)[1] for meta in (made.meta, {}))
    assert all(plan.pop("before") is not None for plan in with_meta["plans"])
    assert all(plan.pop("before") is None for plan in without["plans"])
    assumed = with_meta.pop("assumed"), without.pop("assumed")
    assert with_meta == without
    assert assumed[0].keys() < assumed[1].keys()


@pytest.mark.long
def test_small_pictures_are_not_saturated() -> None:
    """A StyleGAN3 of 32 x 32 pixels at full width, and an R3GAN for CIFAR-10: of 23 and 21 million numbers."""
    one, two = stylegan3("t", 32), r3gan("cifar10")
    for adapter in (
        StyleGAN3.load(*StyleGAN3.layouts[0].convert(one.state, one.meta)),
        R3GAN.load(*detect_network({"r3gan": R3GAN}, two.state, two.meta).convert()),
    ):
        images = render(adapter, draw(adapter, 2, 0))
        assert 0.1 < float(images.std()) < 0.5
        assert float(images.abs().max()) < 2


@pytest.mark.long
def test_an_r3gan_of_full_size_is_the_published_one() -> None:
    made = r3gan("ffhq-256")
    assert (len(made.state), parameters(made)) == (82, 23_057_952)
    assert math.prod(made.state["Model.MainLayers.0.Layers.0.Basis"].shape) == 768 * 16
    conditional = r3gan("imagenet-32")
    assert tuple(conditional.state["Model.EmbeddingLayer.weight"].shape) == (64, 1000)
    assert tuple(conditional.state["Model.MainLayers.0.Layers.0.LinearLayer.weight"].shape) == (1536, 128)
