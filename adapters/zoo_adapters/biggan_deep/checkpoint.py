"""The public file format of BigGAN-deep generators, brought to the keys of `zoo.nn.ResidualGenerator`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from zoo import CheckpointError, Layout, State
from zoo.checkpoints import count_keys, detect_by_keys, network_state
from zoo.nn import ResidualConverter

_OWNER = "the BigGAN-deep file"
_BOTTOM, _COLOURS = 4, 3
_PREFIXES = ("G_ema.", "G.", "state_dict.", "")
_MARKS = ("embeddings.weight", "generator.gen_z.weight_u", "generator.layers.0.bn_0.running_means")
_PARTS = {
    "narrow.norm": "bn_0",
    "narrow.conv": "conv_0",
    "norm1": "bn_1",
    "conv1": "conv_1",
    "norm2": "bn_2",
    "conv2": "conv_2",
    "widen.norm": "bn_3",
    "widen.conv": "conv_3",
}
_ATTENTION = {
    "query": "snconv1x1_theta",
    "key": "snconv1x1_phi",
    "value": "snconv1x1_g",
    "output": "snconv1x1_o_conv",
}


class _Converter(ResidualConverter):
    """The conversion of a BigGAN-deep's layers, whose conditions have the code first and the embedded class last."""

    def __init__(self, state: State) -> None:
        super().__init__(state, _OWNER)
        self.embed = self.take("embeddings.weight").movedim(0, -1)

    def read(self, key: str) -> Tensor:
        """Take a weight that reads the condition, and give the columns of the class first."""
        weight = self.weight(key)
        return weight.roll(self.embed.shape[-1], dims=-1)

    def norm(self, name: str, key: str) -> None:
        """Convert a normalisation that reads class and code."""
        affine = {"gain": self.read(f"{key}.scale"), "bias": self.read(f"{key}.offset")}
        self.set_norm(name, self.take(f"{key}.running_means"), self.take(f"{key}.running_vars"), **affine)

    def start(self, key: str) -> None:
        """Convert the first layer, whose outputs are (height, width, channels)."""
        with self.fitting(key):
            for part, tensor in (("weight", self.read(key)), ("bias", self.take(f"{key}.bias"))):
                pixels = tensor.unflatten(0, (_BOTTOM**2, -1))
                self.made[f"start.{part}"] = pixels.transpose(0, 1).flatten(0, 1)


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    state = network_state(state, _MARKS[0], _PREFIXES) or {}
    found = _Converter(state)
    found.made["embed"] = found.embed
    found.start("generator.gen_z")
    modules = count_keys(state, r"generator\.layers\.\d+\.(conv_0\.bias|gamma)")
    pairs = found.followed((f"generator.layers.{index}" for index in range(modules)), "gamma")
    for index, ((key, attention), upsample) in enumerate(zip(pairs, _doubling(meta, len(pairs)), strict=True)):
        found.block(f"blocks.{index}", key, _PARTS, upsample=upsample)
        if attention:
            found.attention(f"blocks.{index}.attention", attention, _ATTENTION, "gamma")
    scale, shift, mean, variance = (
        found.take(f"generator.bn.{name}") for name in ("weight", "bias", "running_means", "running_vars")
    )
    found.set_norm("norm", mean, variance, scale=scale, shift=shift)
    found.layer("colour", "generator.conv_to_rgb")
    with found.fitting("generator.conv_to_rgb"):
        for part in ("weight", "bias"):  # more channels are computed in the original, and dropped
            found.made[f"colour.{part}"] = found.made[f"colour.{part}"][:_COLOURS]
    return found.finish(), {"shared": True}


def _doubling(meta: Mapping[str, Any], blocks: int) -> list[bool]:
    """Tell which blocks double the map: every second one as released, or as `layers` of the network's config.json."""
    layers = meta.get("layers", [[meta.get(f"layers.{index}.0", index % 2)] for index in range(blocks)])
    try:
        upsamples = [bool(layer[0]) for layer in (json.loads(layers) if isinstance(layers, str) else layers)]
    except (ValueError, TypeError, LookupError):
        upsamples = []
    if len(upsamples) != blocks:
        raise CheckpointError(f"{_OWNER} has {blocks} blocks, of which 'layers' does not say which double the map")
    return upsamples


_ABOUT = "Hugging Face's port of DeepMind's networks, `pytorch_model.bin`"
LAYOUTS = (
    Layout("huggingface", detect_by_keys(_MARKS[0], _PREFIXES, *_MARKS[1:]), _convert, _ABOUT, _MARKS, averaged=True),
)
