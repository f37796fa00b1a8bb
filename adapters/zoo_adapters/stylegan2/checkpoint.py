"""The public file formats of StyleGAN2 generators, each brought to the keys of the family's generator.

Folded in on the way: equalised learning rates, the activations' gain √2 (into the mapping's weights, and into bias and
noise strength of the layers), the 1 added to styles, the scale of the colours.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from zoo import CheckpointError, Layout, State
from zoo.checkpoints import (
    TENSORFLOW_PREFIXES,
    StateDictConverter,
    check_filter,
    collect_settings,
    count_keys,
    detect_by_keys,
    find_prefix,
    network_state,
    require_settings,
    tensorflow_settings,
)
from zoo.nn import mapping_from_state
from zoo_adapters.stylegan2.network import StyleGAN2Generator

_GAIN = sqrt(2)
_MAPPING_RATE = 0.01
_OWNER = "the StyleGAN2 file"
_TAPS = (1.0, 3.0, 3.0, 1.0)
_FILTERS = ("resample_filter", "kernel")
_USUAL = {
    "architecture": "skip",
    "num_channels": 3,
    "normalize_latents": True,
    "mapping_nonlinearity": "lrelu",
    "nonlinearity": "lrelu",
    "activation": "lrelu",
    "use_wscale": True,
    "use_noise": True,
    "resample_kernel": _TAPS,  # a list is told by its numbers, and one that is switched off by its name
    **{f"resample_kernel.{index}": tap for index, tap in enumerate(_TAPS)},
}


class _Converter(StateDictConverter):
    """The conversion of a StyleGAN2's layers."""

    def __init__(self, state: State) -> None:
        super().__init__(state, _OWNER)

    def layer(self, index: int, weight: Tensor, bias: Tensor, noise: Tensor, strength: Tensor) -> None:
        """Convert a layer, its weight as `torch.nn.functional.conv2d` and `conv_transpose2d` would correlate with."""
        doubles = index % 2 == 1
        self.made[f"layers.{index}.weight"] = (weight.transpose(0, 1) if doubles else weight).contiguous()
        self.made[f"layers.{index}.bias"] = bias * _GAIN
        self.made[f"layers.{index}.noise"] = noise.reshape(noise.shape[-2:])
        self.made[f"layers.{index}.strength"] = strength.reshape(()) * _GAIN

    def colour(self, level: int, weight: Tensor, bias: Tensor) -> None:
        """Convert a 1x1 convolution to colours."""
        if weight.numel() != weight.shape[-3] * 3:
            raise CheckpointError(f"{self.owner} makes pictures of {len(bias.flatten())} channels instead of 3")
        self.made[f"colours.{level}.weight"] = weight.reshape(3, -1) / sqrt(weight.numel() // 3)
        self.made[f"colours.{level}.bias"] = bias.flatten()

    def variables(self, name: str, key: str, **how: float) -> None:
        """Convert a fully connected layer of TensorFlow, its weight (in, out), as `linear` does."""
        self.linear(name, self.take(f"{key}weight").T, self.take(f"{key}bias"), **how)

    def labels(self, weight: Tensor) -> dict[str, Any]:
        """Convert labels' embedding (classes, dim) that is normalised with the code; return the config that says so."""
        self.made["mapping.embed.weight"], self.made["mapping.embed.bias"] = weight.T, torch.zeros(weight.shape[1])
        return {"together": True}

    def require_skips(self, first: str, residual: str) -> None:
        """Raise `CheckpointError` unless each resolution adds its colours to the picture, and nothing else is added."""
        if first not in self.left or any(key.endswith(residual) for key in self.left):
            raise CheckpointError(
                f"{self.owner} is not of the architecture skip, that of configurations E and F: no other is supported"
            )

    def finish(self) -> State:
        """Check the filters that are left over, and drop them. Raises `CheckpointError`."""
        for key in [key for key in self.left if key.endswith(_FILTERS)]:
            check_filter(key, self.left.pop(key), _TAPS)
        return super().finish()


def _convert_nvidia(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of NVIDIA's PyTorch ports; the style's bias holds the 1, doubling layers correlate."""
    prefix = find_prefix(state, *_NVIDIA)
    layers = ("synthesis.b4.conv1.", "synthesis.b4.", "_init_kwargs.synthesis_kwargs.")
    told = collect_settings(meta, [f"{prefix}{place}" for place in layers])
    mapping = collect_settings(meta, [f"{prefix}_init_kwargs.mapping_kwargs."])
    for arguments in (told, mapping):
        require_settings(arguments, _USUAL, _OWNER)
    found = _Converter(network_state(state, *_NVIDIA) or {})
    found.require_skips("synthesis.b4.torgb.weight", ".skip.weight")
    for index in range(count_keys(found.left, r"mapping\.fc\d+\.weight")):
        rate = mapping.get("lr_multiplier", _MAPPING_RATE)
        found.dense(f"mapping.layers.{index}", f"mapping.fc{index}", gain=_GAIN, rate=rate)
    found.made["mapping.mean"] = found.take("mapping.w_avg")
    if "mapping.embed.weight" in found.left:
        found.dense("mapping.embed", "mapping.embed")
    found.made["constant"] = found.take("synthesis.b4.const")
    for level in range(count_keys(found.left, r"synthesis\.b\d+\.torgb\.weight")):
        block = f"synthesis.b{4 << level}"
        for part, index in (("conv0", 2 * level - 1), ("conv1", 2 * level)):
            if index >= 0:
                key = f"{block}.{part}"
                rest = [found.take(f"{key}.{name}") for name in ("weight", "bias", "noise_const", "noise_strength")]
                found.layer(index, *rest)
                found.dense(f"layers.{index}.affine", f"{key}.affine")
        found.colour(level, found.take(f"{block}.torgb.weight"), found.take(f"{block}.torgb.bias"))
        found.dense(f"colours.{level}.affine", f"{block}.torgb.affine")
    return found.finish(), _config(told)


def _convert_tensorflow(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Variables of NVIDIA's networks in TensorFlow, inputs before outputs; else as genforce's."""
    told = tensorflow_settings(meta, find_prefix(state, *_TENSORFLOW))
    require_settings(told, _USUAL, _OWNER)
    found = _Converter(network_state(state, *_TENSORFLOW) or {})
    found.require_skips("synthesis/4x4/ToRGB/weight", "/Skip/weight")
    found.left.pop("lod", None)  # nothing in these networks reads it
    config = _config(told)
    for index in range(count_keys(found.left, r"mapping/Dense\d+/weight")):
        rate = told.get("mapping_lrmul", _MAPPING_RATE)
        found.variables(f"mapping.layers.{index}", f"mapping/Dense{index}/", gain=_GAIN, rate=rate)
    found.move("mapping.mean", "dlatent_avg")
    if "mapping/LabelConcat/weight" in found.left:
        config |= found.labels(found.take("mapping/LabelConcat/weight"))
    elif "mapping/LabelEmbed/weight" in found.left:
        found.variables("mapping.embed", "mapping/LabelEmbed/")
    found.made["constant"] = found.take("synthesis/4x4/Const/const")[0]
    for level in range(count_keys(found.left, r"synthesis/\d+x\d+/ToRGB/weight")):
        block = f"synthesis/{4 << level}x{4 << level}"
        for part, index in (("Conv0_up", 2 * level - 1), ("Conv1" if level else "Conv", 2 * level)):
            if index >= 0:
                key = f"{block}/{part}"
                weight = _scaled(found.take(f"{key}/weight").permute(3, 2, 0, 1), flip=index % 2 == 1)
                noise, strength = found.take(f"synthesis/noise{index}"), found.take(f"{key}/noise_strength")
                found.layer(index, weight, found.take(f"{key}/bias"), noise, strength)
                found.variables(f"layers.{index}.affine", f"{key}/mod_", shift=1.0)
        found.colour(level, found.take(f"{block}/ToRGB/weight").permute(3, 2, 0, 1), found.take(f"{block}/ToRGB/bias"))
        found.variables(f"colours.{level}.affine", f"{block}/ToRGB/mod_", shift=1.0)
    return found.finish(), config


def _convert_genforce(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of genforce: the 1 is added to styles at run time, weights of doubling layers are flipped."""
    found = _Converter(network_state(state, *_GENFORCE) or {})
    for index in range(count_keys(found.left, r"mapping\.dense\d+\.weight")):
        found.dense(f"mapping.layers.{index}", f"mapping.dense{index}", gain=_GAIN, rate=_MAPPING_RATE)
    config = found.labels(found.take("mapping.label_weight")) if "mapping.label_weight" in found.left else {}
    found.made["mapping.mean"] = found.take("truncation.w_avg")
    found.made["constant"] = found.take("synthesis.early_layer.const")[0]
    for index in range(count_keys(found.left, r"synthesis\.layer\d+\.weight")):
        key = f"synthesis.layer{index}"
        weight = _scaled(found.take(f"{key}.weight"), flip=index % 2 == 1)
        rest = [found.take(f"{key}.{name}") for name in ("bias", "noise", "noise_strength")]
        found.layer(index, weight, *rest)
        found.dense(f"layers.{index}.affine", f"{key}.style", shift=1.0)
    for level in range(count_keys(found.left, r"synthesis\.output\d+\.weight")):
        key = f"synthesis.output{level}"
        found.colour(level, found.take(f"{key}.weight"), found.take(f"{key}.bias"))
        found.dense(f"colours.{level}.affine", f"{key}.style", shift=1.0)
    return found.finish(), config


def _convert_rosinality(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of rosinality: numbered from the second layer on, the mean code beside the network, or nowhere."""
    found = _Converter(network_state(state, *_ROSINALITY) or {})
    for index in range(count_keys(found.left, r"style\.\d+\.weight")):
        found.dense(f"mapping.layers.{index}", f"style.{index + 1}", gain=_GAIN, rate=_MAPPING_RATE)
    found.left.pop("latent_avg", None)
    if "latent_avg" in state:
        found.made["mapping.mean"] = state["latent_avg"].flatten()
    found.made["constant"] = found.take("input.input")[0]
    for index in range(1 + count_keys(found.left, r"convs\.\d+\.conv\.weight")):
        key = f"convs.{index - 1}" if index else "conv1"
        weight = _scaled(found.take(f"{key}.conv.weight")[0])
        rest = [found.take(name) for name in (f"{key}.activate.bias", f"noises.noise_{index}", f"{key}.noise.weight")]
        found.layer(index, weight, *rest)
        found.dense(f"layers.{index}.affine", f"{key}.conv.modulation")
    for level in range(1 + count_keys(found.left, r"to_rgbs\.\d+\.bias")):
        key = f"to_rgbs.{level - 1}" if level else "to_rgb1"
        found.colour(level, found.take(f"{key}.conv.weight"), found.take(f"{key}.bias"))
        found.dense(f"colours.{level}.affine", f"{key}.conv.modulation")
    return found.finish(), {}


def _config(told: Mapping[str, Any]) -> dict[str, Any]:
    """Take what `Adapter.load` reads from a network's own arguments."""
    found = {"conv_clamp": told.get("conv_clamp"), "cutoff": told.get("truncation_cutoff")}
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def _scaled(weight: Tensor, *, flip: bool = False) -> Tensor:
    """Equalise a convolution's learning rate, which matters where a small number is added before the root."""
    scaled = weight / sqrt(weight[0].numel())
    return scaled.flip(2, 3) if flip else scaled


_TENSORFLOW = ("synthesis/4x4/Conv/mod_weight", TENSORFLOW_PREFIXES)
_NVIDIA = ("synthesis.b4.const", ("G_ema.", "G.", ""))
_GENFORCE = ("synthesis.early_layer.const", ("generator_smooth.", "generator.", ""))
_ROSINALITY = ("conv1.conv.modulation.weight", ("g_ema.", "g.", ""))

LAYOUTS = (
    Layout(
        "tensorflow",
        detect_by_keys(*_TENSORFLOW),
        _convert_tensorflow,
        about="NVIDIA's pickles of TensorFlow's variables: StyleGAN2 (stylegan2-*-config-f.pkl), StyleGAN2-ADA",
        required_keys=(_TENSORFLOW[0],),
    ),
    Layout(
        "nvidia",
        detect_by_keys(*_NVIDIA),
        _convert_nvidia,
        about="NVIDIA's networks in PyTorch (StyleGAN2-ADA, and StyleGAN2 in StyleGAN3's code), pickle or state dict",
        required_keys=(_NVIDIA[0],),
    ),
    Layout(
        "genforce",
        detect_by_keys(*_GENFORCE),
        _convert_genforce,
        about="genforce and the released SeFa",
        required_keys=(_GENFORCE[0],),
    ),
    Layout(
        "rosinality",
        detect_by_keys(*_ROSINALITY),
        _convert_rosinality,
        about="rosinality's port",
        required_keys=(_ROSINALITY[0],),
    ),
)


def sized(state: State, config: Mapping[str, Any]) -> StyleGAN2Generator:
    """Build the network of the sizes that a canonical state tells, as config says."""
    levels = count_keys(state, r"colours\.\d+\.weight")
    channels = [state[f"colours.{level}.weight"].shape[1] for level in range(levels)]
    mapping = mapping_from_state(state, together=config.get("together", False))
    return StyleGAN2Generator(mapping, len(mapping.mean), channels, config.get("conv_clamp"))
