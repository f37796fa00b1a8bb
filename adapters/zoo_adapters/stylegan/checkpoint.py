"""The public file formats of StyleGAN generators, each brought to the keys of the family's generator.

Folded in on the way: equalised learning rates with the gain √2 of He's initialisation, the 1 added to styles, and
upsampling into the convolutions behind it. Those are as if no layer was fused; `flip_fused` turns the others.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from zoo import Layout, State
from zoo.checkpoints import (
    TENSORFLOW_PREFIXES,
    StateDictConverter,
    check_filter,
    count_keys,
    detect_by_keys,
    find_prefix,
    fold_upsample_into_conv,
    network_state,
    require_settings,
    tensorflow_settings,
)
from zoo.nn import mapping_from_state
from zoo_adapters.stylegan.network import StyleGANGenerator

_GAIN = sqrt(2)
_MAPPING_RATE = 0.01
_FUSED_FROM = 128
"""The side of the map from which on the official networks fuse upsampling and convolution."""
_OWNER = "the StyleGAN file"
_TENSORFLOW = ("synthesis/4x4/Const/StyleMod/weight", TENSORFLOW_PREFIXES)
_GENFORCE = ("synthesis.layer0.const", ("generator_smooth.", "generator.", ""))
_BLUR = (1.0, 2.0, 1.0)
_USUAL = {
    "num_channels": 3,
    "normalize_latents": True,
    "mapping_nonlinearity": "lrelu",
    "nonlinearity": "lrelu",
    "use_wscale": True,
    "use_pixel_norm": False,
    "use_instance_norm": True,
    "blur_filter": _BLUR,  # a list is told by its numbers, and one that is switched off by its name
    **{f"blur_filter.{index}": tap for index, tap in enumerate(_BLUR)},
}


class _Converter(StateDictConverter):
    """The conversion of a StyleGAN's layers, weights as in PyTorch: outputs first."""

    def __init__(self, state: State) -> None:
        super().__init__(state, _OWNER)

    def mapping(self, index: int, weight: Tensor, bias: Tensor, rate: float = _MAPPING_RATE) -> None:
        """Convert a layer of the mapping; the gain is its weight's alone."""
        self.linear(f"mapping.layers.{index}", weight * _GAIN, bias, rate=rate)

    def labels(self, weight: Tensor) -> None:
        """Convert the embedding of labels (classes, dim)."""
        self.made["mapping.embed.weight"], self.made["mapping.embed.bias"] = weight.T, torch.zeros(weight.shape[1])

    def conv(self, row: int, weight: Tensor) -> None:
        """Convert the convolution before layer `row`; even ones double their map."""
        scaled = weight * (_GAIN / sqrt(weight[0].numel()))
        self.made[f"convs.{row - 1}.weight"] = scaled if row % 2 else fold_upsample_into_conv(scaled)

    def layer(self, row: int, noise: Tensor, strength: Tensor, bias: Tensor) -> None:
        """Convert what follows a convolution."""
        self.made[f"layers.{row}.noise"] = noise.reshape(noise.shape[-2:])
        self.made[f"layers.{row}.strength"], self.made[f"layers.{row}.bias"] = strength, bias

    def style(self, row: int, weight: Tensor, bias: Tensor) -> None:
        """Convert the style of a layer, scales before shifts."""
        self.linear(f"layers.{row}.affine", weight, bias)
        self.made[f"layers.{row}.affine.bias"][: len(bias) // 2] += 1

    def colour(self, level: int, weight: Tensor, bias: Tensor) -> None:
        """Convert a 1x1 convolution to colours."""
        self.linear(f"colours.{level}", weight.flatten(1), bias)
        self.made[f"colours.{level}.bias"] = bias


def _convert_tensorflow(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Variables of the official networks, inputs before outputs."""
    told = tensorflow_settings(meta, find_prefix(state, *_TENSORFLOW))
    require_settings(told, _USUAL, _OWNER)
    found = _Converter(network_state(state, *_TENSORFLOW) or {})
    found.left.pop("synthesis/lod", None)  # it is set to the network's own whenever that runs
    fused = {True: "always", False: "never"}.get(told.get("fused_scale", "auto"), "auto")
    config: dict[str, Any] = {"lod": found.number("lod", 0.0), "fused": fused}
    if isinstance(told.get("truncation_cutoff"), int):
        config["cutoff"] = told["truncation_cutoff"]
    for index in range(count_keys(found.left, r"mapping/Dense\d+/weight")):
        weight, bias = (found.take(f"mapping/Dense{index}/{name}") for name in ("weight", "bias"))
        found.mapping(index, weight.T, bias, told.get("mapping_lrmul", _MAPPING_RATE))
    found.move("mapping.mean", "dlatent_avg")
    if "mapping/LabelConcat/weight" in found.left:
        found.labels(found.take("mapping/LabelConcat/weight"))
    found.made["constant"] = found.take("synthesis/4x4/Const/const")[0]
    levels = count_keys(found.left, r"synthesis/ToRGB_lod\d+/weight")
    for row in range(2 * levels):
        side = 4 << row // 2
        part = ("Conv0_up" if row else "Const") if row % 2 == 0 else "Conv1" if row > 1 else "Conv"
        key = f"synthesis/{side}x{side}/{part}"
        if row:
            found.conv(row, found.take(f"{key}/weight").permute(3, 2, 0, 1))
        noise = found.take(f"synthesis/noise{row}")
        found.layer(row, noise, found.take(f"{key}/Noise/weight"), found.take(f"{key}/bias"))
        found.style(row, found.take(f"{key}/StyleMod/weight").T, found.take(f"{key}/StyleMod/bias"))
    for level in range(levels):
        key = f"synthesis/ToRGB_lod{levels - 1 - level}"
        found.colour(level, found.take(f"{key}/weight").permute(3, 2, 0, 1), found.take(f"{key}/bias"))
    return found.finish(), config


def _convert_genforce(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of genforce, which do not tell what is fused."""
    found = _Converter(network_state(state, *_GENFORCE) or {})
    config = {"lod": found.number("synthesis.lod", 0.0)}
    for index in range(count_keys(found.left, r"mapping\.dense\d+\.weight")):
        weight, bias = (found.take(f"mapping.dense{index}.{name}") for name in ("weight", "bias"))
        found.mapping(index, weight, bias)
    found.move("mapping.mean", "truncation.w_avg")
    if "mapping.label_weight" in found.left:
        found.labels(found.take("mapping.label_weight"))
    found.made["constant"] = found.take("synthesis.layer0.const")[0]
    for row in range(count_keys(found.left, r"synthesis\.layer\d+\.bias")):
        key = f"synthesis.layer{row}"
        if row:
            found.conv(row, found.take(f"{key}.weight"))
        if f"{key}.blur.kernel" in found.left:
            check_filter(f"{key}.blur.kernel", found.take(f"{key}.blur.kernel"), _BLUR)
        found.layer(row, *(found.take(f"{key}.{name}") for name in ("apply_noise.noise", "apply_noise.weight", "bias")))
        found.style(row, found.take(f"{key}.style.weight"), found.take(f"{key}.style.bias"))
    for level in range(count_keys(found.left, r"synthesis\.output\d+\.weight")):
        found.colour(level, *(found.take(f"synthesis.output{level}.{name}") for name in ("weight", "bias")))
    return found.finish(), config


def flip_fused(network: StyleGANGenerator, fused: str) -> None:
    """Turn the weights of the doubling layers that are fused: those transpose a convolution instead of running it."""
    for level in range(1, network.growth.levels):
        if fused == "always" or (fused == "auto" and 4 << level >= _FUSED_FROM):
            weight = network.convs[2 * level - 1].get_parameter("weight")
            weight.copy_(weight.flip(2, 3))


def sized(state: State, lod: float) -> StyleGANGenerator:
    """Build the network of the sizes that a canonical state tells."""
    channels = [
        state[f"colours.{level}.weight"].shape[1] for level in range(count_keys(state, r"colours\.\d+\.weight"))
    ]
    mapping = mapping_from_state(state, together=True)
    return StyleGANGenerator(mapping, len(mapping.mean), channels, lod)


LAYOUTS = (
    Layout(
        "tensorflow",
        detect_by_keys(*_TENSORFLOW),
        _convert_tensorflow,
        about="NVIDIA's pickles of TensorFlow's variables (karras2019stylegan-*.pkl)",
        required_keys=(_TENSORFLOW[0],),
    ),
    Layout(
        "genforce",
        detect_by_keys(*_GENFORCE),
        _convert_genforce,
        about="genforce and the released SeFa",
        required_keys=(_GENFORCE[0],),
    ),
)
