"""The public file format of BigGAN-deep generators, converted to the keys of `zoo.nn.ResidualGenerator`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from zoo import CheckpointError, Layout, State
from zoo.checkpoints import count_keys, count_numbered
from zoo.nn import ResidualConverter

_OWNER = "the BigGAN-deep file"
_BOTTOM_WIDTH = 4
_EPSILON = 1e-4
_REQUIRED_KEYS = ("embeddings.weight", "generator.gen_z.weight_u", "generator.layers.0.bn_0.running_means")
_BLOCK_PARTS = {
    "narrow.norm": "bn_0",
    "narrow.conv": "conv_0",
    "norm1": "bn_1",
    "conv1": "conv_1",
    "norm2": "bn_2",
    "conv2": "conv_2",
    "widen.norm": "bn_3",
    "widen.conv": "conv_3",
}
_ATTENTION_PARTS = {
    "query": "snconv1x1_theta",
    "key": "snconv1x1_phi",
    "value": "snconv1x1_g",
    "output": "snconv1x1_o_conv",
}


class _Converter(ResidualConverter):
    """The conversion of a BigGAN-deep's layers."""

    def __init__(self, state: State) -> None:
        super().__init__(state, _OWNER)
        self.embed = self.pop("embeddings.weight").movedim(0, -1)

    def condition_weight(self, key: str) -> Tensor:
        """Pop a weight that reads the condition, which is (code, embedded class) here and (class, code) in zoo.

        Args:
            key: the layer's key in the file.

        Returns:
            The effective weight, the columns of the class first.
        """
        # The class has as many numbers as its embedding, and comes last.
        return self.weight(key).roll(self.embed.shape[-1], dims=-1)

    def norm(self, name: str, key: str) -> None:
        """Convert a normalisation that reads the class and the code.

        Args:
            name: its canonical name.
            key: its key in the file.
        """
        affine = {"gain": self.condition_weight(f"{key}.scale"), "bias": self.condition_weight(f"{key}.offset")}
        self.set_norm(name, self.pop(f"{key}.running_means"), self.pop(f"{key}.running_vars"), **affine)

    def start(self, key: str) -> None:
        """Convert the first layer, from outputs (height, width, channels) to (channels, height, width).

        Args:
            key: its key in the file.
        """
        with self.fitting(key):
            for part, tensor in (("weight", self.condition_weight(key)), ("bias", self.pop(f"{key}.bias"))):
                pixels = tensor.unflatten(0, (_BOTTOM_WIDTH**2, -1))
                self.converted[f"start.{part}"] = pixels.transpose(0, 1).flatten(0, 1)

    def to_rgb(self, key: str) -> None:
        """Convert the last convolution, of whose outputs the original drops all but the first three.

        Args:
            key: its key in the file.
        """
        self.layer("colour", key)
        with self.fitting(key):
            for part in ("weight", "bias"):
                self.converted[f"colour.{part}"] = self.converted[f"colour.{part}"][:3]


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    converter = _Converter(state)
    converter.converted["embed"] = converter.embed
    converter.start("generator.gen_z")
    modules = count_keys(state, r"generator\.layers\.\d+\.(conv_0\.bias|gamma)")
    pairs = converter.pair_attention((f"generator.layers.{index}" for index in range(modules)), "gamma")
    upsamples = _upsamples(converter, meta, [key for key, _ in pairs])
    for index, ((key, attention), upsample) in enumerate(zip(pairs, upsamples, strict=True)):
        converter.block(f"blocks.{index}", key, _BLOCK_PARTS, upsample=upsample)
        if attention:
            converter.attention(f"blocks.{index}.attention", attention, _ATTENTION_PARTS, "gamma")
    scale, shift, mean, variance = (
        converter.pop(f"generator.bn.{name}") for name in ("weight", "bias", "running_means", "running_vars")
    )
    converter.set_norm("norm", mean, variance, scale=scale, shift=shift)
    converter.to_rgb("generator.conv_to_rgb")
    said = next((meta[key] for key in ("eps", "config.eps", "generator.layers.0.bn_0.eps") if key in meta), None)
    converter.require_modules(meta, r"generator\.(layers\.\d+\.bn_\d|bn)", said)
    return converter.finish(), converter.epsilon(said, _EPSILON, shared=True)


def _upsamples(converter: _Converter, meta: Mapping[str, Any], keys: Sequence[str]) -> list[bool]:
    """Say which blocks upsample: as the module or `layers` of config.json says, else every second one, as released."""
    blocks = len(keys)
    if all(f"{key}.up_sample" in meta for key in keys):
        return [bool(meta[f"{key}.up_sample"]) for key in keys]
    said = count_numbered(meta, "layers.{}.0")
    if "layers" not in meta and not said:
        converter.assumed["layers"] = "every second block upsamples"
    listed = [[meta.get(f"layers.{index}.0", index % 2)] for index in range(said or blocks)]
    layers = meta.get("layers", listed)
    try:
        upsamples = [bool(layer[0]) for layer in (json.loads(layers) if isinstance(layers, str) else layers)]
    except (ValueError, TypeError, LookupError):
        upsamples = []
    if len(upsamples) != blocks:
        raise CheckpointError(f"{_OWNER} has {blocks} blocks, but its 'layers' do not say which of them upsample")
    return upsamples


LAYOUTS = (
    Layout(
        "huggingface",
        _convert,
        about="Hugging Face's port of DeepMind's networks, `pytorch_model.bin`",
        required_keys=_REQUIRED_KEYS,
        averaged=True,
    ),
)
