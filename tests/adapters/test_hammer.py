"""Hammer's keys, in which the released ReSeFa has its networks, against images recorded from Hammer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

import zoo
from tests.support.families import families, opened
from tests.support.golden import Golden
from zoo import CheckpointError
from zoo.checkpoints import detect_checkpoint
from zoo.nn import StyleAdapter

PACKS = {
    "stylegan1": "stylegan",
    "stylegan2": "stylegan2",
    "stylegan2_together": "stylegan2",
    "stylegan3_t": "stylegan3",
    "stylegan3_r": "stylegan3",
}


def pack(name: str) -> Golden:
    return Golden.read(f"hammer_{name}")


def read(content: dict[str, Any], folder: Path) -> Any:
    torch.save(content, folder / "file.pth")
    return detect_checkpoint(folder / "file.pth", families())


def training_checkpoint(state: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Any]:
    """What Hammer saves while it trains: networks, their average, and what they were built with."""
    trained = {key: tensor + 1 for key, tensor in state.items()}
    return {
        "models": {"generator": trained, "discriminator": {"input0.weight": torch.ones(2)}, "generator_smooth": state},
        "model_kwargs_init": {"generator": settings, "generator_smooth": settings},
        "running_metadata": {"iter": 3, "seen_img": 96},
        "optimizers": {"generator": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.002}]}},
    }


@pytest.mark.parametrize("name", PACKS)
def test_images_are_those_of_hammer(name: str) -> None:
    golden = pack(name)
    adapter = opened(golden.state, (PACKS[name], "hammer"), cutoff=3)
    assert isinstance(adapter, StyleAdapter)
    labels = golden.inputs.get("labels")
    condition = () if labels is None else (one_hot(labels, 5).float(),)
    w = adapter.network.mapping(golden.inputs["z"], *condition)
    golden.check("w", w)
    golden.check("image", adapter.network(adapter._broadcast(w, 0.7)))


@pytest.mark.parametrize("name", PACKS)
def test_of_a_training_checkpoint_the_average_is_read(name: str, tmp_path: Path) -> None:
    golden = pack(name)
    settings = {key: value for key, value in golden.card["config"].items() if key != "model_type"}
    found = read(training_checkpoint(golden.state, settings), tmp_path)
    assert (found.family, found.layout) == (PACKS[name], "hammer")
    assert found.averaged == "yes: models.generator_smooth, not models.generator"
    plain = read(golden.state, tmp_path)
    assert all(torch.equal(found.state[key], tensor) for key, tensor in plain.state.items())


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        *(("stylegan1", *one) for one in [("final_tanh", True), ("lr_mul", 0.1), ("normalize_z", False)]),
        *(("stylegan2", *one) for one in [("architecture", "resnet"), ("demodulate", False), ("wscale_gain", 2.0)]),
        *(("stylegan3_t", *one) for one in [("act_upsampling", 4), ("final_tanh", True), ("normalize_z", False)]),
    ],
)
def test_settings_that_zoo_does_not_build_are_refused(name: str, setting: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"was made with {setting} .*, which is not supported"):
        read(training_checkpoint(pack(name).state, {setting: value}), tmp_path)


def test_settings_beside_the_networks_are_read(tmp_path: Path) -> None:
    for settings, fused in (
        ({"fused_scale": True}, "always"),
        ({"fused_scale": False}, "auto"),
        ({"fused_scale_res": 8}, "always"),
        ({"mapping_lr_mul": 0.02}, "auto"),
    ):
        found = read(training_checkpoint(pack("stylegan1").state, settings), tmp_path)
        assert found.config["fused"] == fused
        assert found.config.get("folded_lr_mlp", 0.01) == settings.get("mapping_lr_mul", 0.01)
    assert "fused" in read(pack("stylegan1").state, tmp_path).config["assumed"]
    with pytest.raises(CheckpointError, match=r"fuses the layers \[2\], which zoo does not"):
        read(training_checkpoint(pack("stylegan1").state, {"fused_scale_res": 16}), tmp_path)
    clamped = read(training_checkpoint(pack("stylegan2").state, {"conv_clamp": 256}), tmp_path)
    assert clamped.config["conv_clamp"] == 256
    free = read(training_checkpoint(pack("stylegan3_r").state, {"output_scale": 1.0}), tmp_path)
    assert (free.config["clamp"], free.config["scale"]) == (None, 1.0)
    with pytest.raises(CheckpointError, match="first map of 36 points a side has no margin of 6"):
        read(training_checkpoint(pack("stylegan3_r").state, {"margin_size": 6}), tmp_path)


@pytest.mark.parametrize("name", ["stylegan2", "hammer_stylegan2"])
def test_a_file_that_could_be_genforces_or_hammers_is_refused(name: str, tmp_path: Path) -> None:
    """Both have the same keys but for the mean and the filters, and other weights: a guess could draw a wrong image."""
    beside = ("w_avg", ".filter", ".kernel")
    state = {key: tensor for key, tensor in Golden.read(name).state.items() if not key.endswith(beside)}
    torch.save(state, tmp_path / "file.pth")
    with pytest.raises(CheckpointError, match="fits no known layout"):
        zoo.load(tmp_path / "file.pth", device="cpu")
