"""What one image costs, counted from shapes; limits on it; and the types and bounds of settings in files."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from benchmarks import shapes
from tests.attack.settings import ATTACKS, config_of, converted, family_of, honest
from tests.support.families import families
from tests.support.marks import mostly_long
from zoo.errors import CheckpointError, OptionError
from zoo.jacobian.memory import peak_bytes
from zoo.models.cost import check_cost, image_cost, limits_of
from zoo.models.rendering import render_batch_size
from zoo.plugins.discovery import load_plugins
from zoo.testing import draw


@pytest.mark.parametrize("family", mostly_long(sorted(families()), sorted(families())[::2]))
def test_what_is_counted_is_what_rendering_takes(family: str) -> None:
    adapter = families()[family].tiny(0)
    cost = image_cost(adapter)
    assert cost is not None
    codes = draw(adapter, 1, 0)
    with torch.no_grad():
        peak, _ = peak_bytes(lambda: adapter.synthesize(codes))
    assert 0.5 * peak <= cost.memory <= 1.1 * peak  # beside maps, that counts the copies that convolutions make


def test_multiplications_are_those_of_the_formula() -> None:
    adapter = DCGAN.tiny(0)
    cost = image_cost(adapter)
    convolutions, side, made = 0, 1, 0
    for layer in adapter.network.get_submodule("convs").children():
        weight = layer.get_parameter("weight")
        convolutions += side * side * weight.numel()
        side, made = (4 if side == 1 else 2 * side), made + 1
    assert cost is not None and convolutions <= cost.multiplications < 1.2 * convolutions


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("stylegan2", (1024,)),
        pytest.param("pggan", (1024,), marks=pytest.mark.long),
        pytest.param("stylegan3", ("t", 1024), marks=pytest.mark.long),
        pytest.param("stylegan3", ("r", 1024), marks=pytest.mark.long),
        pytest.param("stylegan_xl", ("imagenet1024",), marks=pytest.mark.long),
        pytest.param("biggan", (512,), marks=pytest.mark.long),
    ],
)
def test_published_networks_of_full_size_are_within_the_limits(name: str, size: tuple[Any, ...]) -> None:
    adapter = getattr(shapes, name)(*size)
    check_cost(adapter, name)
    cost = image_cost(adapter)
    assert cost is not None and cost.memory < 0.8 * limits_of(adapter).memory


def test_a_small_file_of_large_images_is_refused_until_the_option_allows_it(tmp_path: Path) -> None:
    ATTACKS[1].make(tmp_path)
    file = tmp_path / "weights.pt"
    with pytest.raises(
        CheckpointError, match=r"8192 x 8192 .* 1\.74GB of memory: .* is 1GB; -o image_limit=2 allows it"
    ):
        zoo.load(file, device="cpu")
    model = zoo.load(file, device="cpu", options={"image_limit": "2"})
    assert render_batch_size(model.adapter) == 1
    with pytest.raises(OptionError, match=r"-o image_limit=lots: write by how much"):
        zoo.load(file, device="cpu", options={"image_limit": "lots"})


def test_a_network_that_reads_its_images_is_not_counted() -> None:
    class Reading(DCGAN):
        def synthesize(self, codes: zoo.Codes) -> Tensor:
            images = super().synthesize(codes)
            return images * float(images.mean())

    adapter = Reading(DCGAN.tiny(0).network)
    assert image_cost(adapter) is None
    check_cost(adapter, "it")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"epsilon": "x"}, r"has the setting epsilon='x': Input should be a valid number"),
        ({"epsilon": -1.0}, r"has the setting epsilon=-1\.0: Input should be greater than 0"),
        ({"plans": []}, r"has the setting 'plans', and a .* has no such setting"),
        ({"assumed": [1]}, r"has the setting assumed, which is not one value for each name"),
        ({"assumed": {"epsilon": {}}}, r"has the setting assumed"),
    ],
)
def test_settings_of_a_converted_file_have_types_and_bounds(config: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(converted("dcgan", dict(DCGAN.tiny(0).network.state_dict()), config))
    with pytest.raises(CheckpointError, match=words):
        zoo.load(path, device="cpu")


def test_every_family_declares_what_its_layouts_say() -> None:
    for name, adapter in families().items():
        options = load_plugins().adapter(name).schema()
        assert not set(adapter.settings.model_fields) & set(options.model_fields), name
        for content in honest():
            known = {"assumed", "in_doubt", *adapter.settings.model_fields, *options.model_fields}
            assert family_of(content) != name or config_of(content).keys() <= known
