"""A network that was pickled whole says its settings: they are built, or refused by the name of the module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import zoo
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from tests.support.whole import as_module
from zoo import CheckpointError
from zoo.checkpoints import read_checkpoint

State = dict[str, Tensor]


def draw(file: Path, **options: Any) -> Tensor:
    model = zoo.load(file, device="cpu", options=options)
    return model.adapter.synthesize(model.sample(2, label=1 if model.adapter.classes else None))


def save(state: State, file: Path, attributes: dict[str, Any]) -> Path:
    torch.save({"g_ema": as_module(state, attributes), "epoch": 3}, file)
    return file


# What the module of a recorded network says, such that it is drawn as the file of its tensors alone.
USUAL: dict[str, dict[str, Any]] = {
    "stylegan2_rosinality": {
        "style.1.lr_mul": 0.01,
        "style.1.activation": "fused_lrelu",
        "conv1.activate.negative_slope": 0.2,
        "conv1.activate.scale": 2**0.5,
        "conv1.conv.demodulate": True,
        "to_rgb1.conv.demodulate": False,
    },
    "stylegan2": {
        "mapping.dense0.bscale": 0.01,
        "mapping.dense0.activate": nn.LeakyReLU(0.2),
        "synthesis.final_activate": nn.Identity(),
    },
    "stylegan1": {"mapping.norm.eps": 1e-8, "synthesis.layer1.activate": nn.LeakyReLU(0.2)},
    "pggan": {"layer1.activate": nn.LeakyReLU(0.2), "output0.activate": nn.Identity(), "use_wscale": True},
    "stylegan2_ada": {"mapping.fc0.activation": "lrelu", "synthesis.b4.conv1.activation": "lrelu"},
    "stylegan3_t": {
        "mapping.fc0.activation": "lrelu",
        "synthesis.output_scale": 0.25,
        "synthesis.L0_36_24.affine.activation": "linear",
    },
    "biggan_ajbrock": {"blocks.0.0.bn1.eps": 1e-5, "blocks.0.0.activation": nn.ReLU(), "blocks.0.0.conv1.num_itrs": 1},
    "biggan_deep": {"generator.layers.0.bn_0.eps": 1e-4, "generator.relu": nn.ReLU(), "generator.tanh": nn.Tanh()},
    "studiogan_sngan": {"blocks.0.0.bn1.bn.eps": 1e-4, "activation": nn.ReLU(), "tanh": nn.Tanh()},
    "r3gan": {"Model.MainLayers.0.Layers.1.LinearLayer2.Layer.padding": (1, 1)},
}


@pytest.mark.parametrize("pack", mostly_long(USUAL, ("pggan", "r3gan")))
def test_a_whole_network_is_drawn_as_its_tensors_are(pack: str, tmp_path: Path) -> None:
    state = Golden.read(pack).state
    torch.save(state, tmp_path / "plain.pt")
    whole = save(state, tmp_path / "whole.pt", USUAL[pack])
    assert read_checkpoint(whole).meta["g_ema._class"] == "torch.nn.modules.module.Module"
    assert torch.allclose(draw(whole), draw(tmp_path / "plain.pt"), atol=1e-5)


# Another value of an attribute, and what the refusal says.
OTHERS = [
    ("stylegan2_rosinality", {"convs.0.activate.negative_slope": 0.1}, r"convs\.0\.activate has negative_slope 0\.1"),
    ("stylegan2_rosinality", {"style.2.activation": None}, r"style\.2 has activation None: zoo reads 'fused_lrelu'"),
    ("stylegan2_rosinality", {"conv1.conv.demodulate": False}, r"conv1\.conv has demodulate False"),
    ("stylegan2", {"mapping.dense1.activate": nn.ReLU()}, r"mapping\.dense1\.activate is a ReLU"),
    (
        "stylegan2",
        {"synthesis.layer1.activate": nn.Identity()},
        r"layer1\.activate is 'Identity': zoo reads 'LeakyReLU'",
    ),
    ("stylegan2", {"synthesis.final_activate": nn.Tanh()}, r"synthesis\.final_activate is a Tanh"),
    ("stylegan1", {"synthesis.layer1.activate": nn.LeakyReLU(0.1)}, r"has negative_slope 0\.1: zoo reads 0\.2"),
    ("pggan", {"use_wscale": False}, "the network has use_wscale False: zoo reads True"),
    ("stylegan2_ada", {"mapping.fc1.activation": "relu"}, r"mapping\.fc1 has activation 'relu'"),
    ("stylegan3_t", {"mapping.fc1.activation": "swish"}, r"mapping\.fc1 has activation 'swish'"),
    (
        "biggan_ajbrock",
        {"activation": nn.LeakyReLU()},
        "activation is a LeakyReLU: the networks that zoo builds have none",
    ),
    ("biggan_ajbrock", {"blocks.0.0.bn1.eps": 0.5, "blocks.1.0.bn1.eps": 0.1}, r"blocks\.1\.0\.bn1 has eps 0\.1"),
    ("biggan_deep", {"generator.layers.1.bn_0.eps": 0.5, "generator.layers.0.bn_0.eps": 1e-4}, r"bn_0 has eps 0\.5"),
    ("studiogan_sngan", {"blocks.0.0.activation": nn.ELU()}, r"blocks\.0\.0\.activation is a ELU"),
    ("r3gan", {"Model.MainLayers.0.Layers.1.LinearLayer2.Layer.padding": (0, 0)}, r"LinearLayer2\.Layer has padding 0"),
]


@pytest.mark.parametrize(("pack", "attributes", "words"), mostly_long(OTHERS, OTHERS[1::3]))
def test_a_whole_network_of_other_settings_is_refused(
    pack: str, attributes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=words):
        zoo.load(save(Golden.read(pack).state, tmp_path / "whole.pt", attributes), device="cpu")


BUILT = [
    ("biggan_ajbrock", {"blocks.0.0.bn1.eps": 0.1}, {"epsilon": 0.1}),
    ("studiogan_sngan", {"blocks.0.0.bn1.bn.eps": 0.1}, {"epsilon": 0.1}),
    ("biggan_deep", {"generator.layers.0.bn_0.eps": 0.1}, {"epsilon": 0.1}),
    ("stylegan2_rosinality", {f"style.{layer}.lr_mul": 0.012 for layer in range(1, 9)}, {"lr_mlp": 0.012}),
    ("stylegan2_ada", {f"mapping.fc{layer}.bias_gain": 0.012 for layer in range(8)}, {"lr_mlp": 0.012}),
    ("stylegan3_t", {f"mapping.fc{layer}.bias_gain": 0.012 for layer in range(2)}, {"lr_mlp": 0.012}),
]


@pytest.mark.parametrize(("pack", "attributes", "options"), mostly_long(BUILT, (BUILT[1], BUILT[4])))
def test_other_settings_of_a_whole_network_are_built(
    pack: str, attributes: dict[str, Any], options: dict[str, Any], tmp_path: Path
) -> None:
    """As the same tensors with the option are, which other tests compare with the originals."""
    state = Golden.read(pack).state
    torch.save(state, tmp_path / "plain.pt")
    layers = sum(key.startswith(("style.", "mapping.fc")) and key.endswith(".weight") for key in state)
    said = {key: value for number, (key, value) in enumerate(attributes.items()) if number < max(1, layers)}
    whole = save(state, tmp_path / "whole.pt", said)
    assert torch.allclose(draw(whole), draw(tmp_path / "plain.pt", **options), atol=1e-4)
    assert not options.keys() & zoo.load(whole, device="cpu").assumed.keys()


def test_what_another_network_of_the_file_says_is_not_compared(tmp_path: Path) -> None:
    state = Golden.read("biggan_ajbrock").state
    discriminator = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.AvgPool2d(2), nn.Sigmoid())
    torch.save({"G_ema": as_module(state, {}), "D": discriminator}, tmp_path / "both.pt")
    torch.save(state, tmp_path / "plain.pt")
    assert torch.equal(draw(tmp_path / "both.pt"), draw(tmp_path / "plain.pt"))


def bin_file(folder: Path, name: str = "pytorch_model.bin") -> Path:
    (save_file if name.endswith(".safetensors") else torch.save)(Golden.read("biggan_deep").state, folder / name)
    return folder / name


@pytest.mark.parametrize(
    ("weights", "config"),
    [
        pytest.param("pytorch_model.bin", "config.json", marks=pytest.mark.long),
        ("biggan-deep-128-pytorch_model.bin", "biggan-deep-128-config.json"),
        pytest.param("mine.bin", "config.json", marks=pytest.mark.long),
        pytest.param("model.safetensors", "config.json", marks=pytest.mark.long),
    ],
)
def test_config_json_is_read_beside_a_bin_file(weights: str, config: str, tmp_path: Path) -> None:
    file = bin_file(tmp_path, weights)
    plain = zoo.load(file, device="cpu")
    blocks = len(plain.adapter.projections()) - 1
    assert plain.assumed.keys() == {"epsilon", "layers"}
    layers = [[bool(index % 2), 1, 1] for index in range(blocks)]
    (tmp_path / config).write_text(json.dumps({"layers": layers, "eps": 0.1, "n_stats": 51}))
    model = zoo.load(file, device="cpu")
    assert not model.assumed
    assert torch.equal(draw(file), draw(file, epsilon=0.1))
    codes = plain.sample(1, label=0)
    assert not torch.allclose(model.adapter.synthesize(codes), plain.adapter.synthesize(codes), atol=1e-4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "config.json, which tells the settings of pytorch_model.bin, cannot be read: Expecting property name"),
        ("[1]", "it is not a dictionary"),
        ("[" * 100_000, "cannot be read"),
        ('{"layers": [[true, 1, 1]]}', "blocks, but its 'layers' do not say which of them upsample"),
    ],
)
def test_a_config_json_that_cannot_be_right_is_refused(text: str, words: str, tmp_path: Path) -> None:
    file = bin_file(tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=words):
        zoo.load(file, device="cpu")
