"""The public file formats of StyleGAN2 generators, each brought to the keys of `network.Generator`.

Folded in on the way: equalised learning rates, the activations' gain √2 (into the mapping's weights, and into bias and
noise strength of the layers), the 1 added to styles, the scale of the colours.
"""

import re
from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from zoo import CheckpointError, Layout, State
from zoo_adapters.stylegan2.network import Generator
from zoo_adapters.stylegan2.network import Mapping as MappingNetwork

_GAIN = sqrt(2)
_MAPPING_RATE = 0.01
_TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])
_FILTERS = ("resample_filter", "kernel")


def _section(state: State, mark: str, prefixes: tuple[str, ...]) -> State | None:
    """Return the tensors of the first network in a file that has the key `mark`, its prefix cut off."""
    for prefix in prefixes:
        if prefix + mark in state:
            return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
    return None


def _detector(mark: str, prefixes: tuple[str, ...]) -> Callable[[State, Mapping[str, Any]], bool]:
    return lambda state, meta: _section(state, mark, prefixes) is not None


class _Converter:
    """Takes tensors of a file by its keys, and gives them back under the canonical ones."""

    def __init__(self, state: State) -> None:
        self.left = dict(state)
        self.made: State = {}

    def take(self, key: str) -> Tensor:
        """Take a tensor out. Raises `CheckpointError` when it is missing."""
        if key not in self.left:
            raise CheckpointError(f"the StyleGAN2 file does not fit the network; missing: {key}")
        return self.left.pop(key)

    def dense(self, name: str, key: str, gain: float = 1.0, rate: float = 1.0, shift: float = 0.0) -> None:
        """Convert a fully connected layer of equalised learning rate, learned at `rate`; its bias lacks `shift`."""
        weight = self.take(f"{key}.weight")
        self.made[f"{name}.weight"] = weight * (gain * rate / sqrt(weight.shape[1]))
        self.made[f"{name}.bias"] = self.take(f"{key}.bias") * (gain * rate) + shift

    def layer(self, index: int, weight: Tensor, bias: Tensor, noise: Tensor, strength: Tensor) -> None:
        """Convert a layer, its weight as `torch.nn.functional.conv2d` and `conv_transpose2d` would correlate with."""
        doubles = index % 2 == 1
        self.made[f"layers.{index}.weight"] = (weight.transpose(0, 1) if doubles else weight).contiguous()
        self.made[f"layers.{index}.bias"] = bias * _GAIN
        self.made[f"layers.{index}.noise"] = noise.reshape(noise.shape[-2:])
        self.made[f"layers.{index}.strength"] = strength.reshape(()) * _GAIN

    def colour(self, level: int, weight: Tensor, bias: Tensor) -> None:
        """Convert a 1x1 convolution to colours."""
        self.made[f"colours.{level}.weight"] = weight.reshape(3, -1) / sqrt(weight.numel() // 3)
        self.made[f"colours.{level}.bias"] = bias.flatten()

    def finish(self) -> State:
        """Return the canonical state; what is left over stays in it, to be told. Raises `CheckpointError`."""
        for key, tensor in self.left.items():
            if key.endswith(_FILTERS):
                _check_filter(key, tensor)
        spare = {f"({key})": tensor for key, tensor in self.left.items() if not key.endswith(_FILTERS)}
        return {**self.made, **spare}


def _check_filter(key: str, tensor: Tensor) -> None:
    wanted = torch.outer(_TAPS, _TAPS)
    if tensor.numel() != 16 or not torch.allclose(
        tensor.reshape(4, 4) / tensor.sum() * wanted.sum(), wanted, atol=1e-4
    ):
        raise CheckpointError(f"{key} is not the filter 1, 3, 3, 1: only networks that resample by it can be opened")


def _count(state: State, pattern: str) -> int:
    return sum(re.fullmatch(pattern, key) is not None for key in state)


def _convert_nvidia(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of NVIDIA's PyTorch ports; the style's bias holds the 1, doubling layers correlate."""
    found = _Converter(_section(state, *_NVIDIA) or {})
    for index in range(_count(found.left, r"mapping\.fc\d+\.weight")):
        found.dense(f"mapping.layers.{index}", f"mapping.fc{index}", _GAIN, _MAPPING_RATE)
    found.made["mapping.mean"] = found.take("mapping.w_avg")
    if "mapping.embed.weight" in found.left:
        found.dense("mapping.embed", "mapping.embed")
    found.made["constant"] = found.take("synthesis.b4.const")
    for level in range(_count(found.left, r"synthesis\.b\d+\.torgb\.weight")):
        block = f"synthesis.b{4 << level}"
        for part, index in (("conv0", 2 * level - 1), ("conv1", 2 * level)):
            if index >= 0:
                key = f"{block}.{part}"
                rest = [found.take(f"{key}.{name}") for name in ("weight", "bias", "noise_const", "noise_strength")]
                found.layer(index, *rest)
                found.dense(f"layers.{index}.affine", f"{key}.affine")
        found.colour(level, found.take(f"{block}.torgb.weight"), found.take(f"{block}.torgb.bias"))
        found.dense(f"colours.{level}.affine", f"{block}.torgb.affine")
    return found.finish(), {}


def _convert_genforce(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of genforce: the 1 is added to styles at run time, weights of doubling layers are flipped."""
    found = _Converter(_section(state, *_GENFORCE) or {})
    for index in range(_count(found.left, r"mapping\.dense\d+\.weight")):
        found.dense(f"mapping.layers.{index}", f"mapping.dense{index}", _GAIN, _MAPPING_RATE)
    found.made["mapping.mean"] = found.take("truncation.w_avg")
    found.made["constant"] = found.take("synthesis.early_layer.const")[0]
    for index in range(_count(found.left, r"synthesis\.layer\d+\.weight")):
        key = f"synthesis.layer{index}"
        weight = _scaled(found.take(f"{key}.weight"), flip=index % 2 == 1)
        rest = [found.take(f"{key}.{name}") for name in ("bias", "noise", "noise_strength")]
        found.layer(index, weight, *rest)
        found.dense(f"layers.{index}.affine", f"{key}.style", shift=1.0)
    for level in range(_count(found.left, r"synthesis\.output\d+\.weight")):
        key = f"synthesis.output{level}"
        found.colour(level, found.take(f"{key}.weight"), found.take(f"{key}.bias"))
        found.dense(f"colours.{level}.affine", f"{key}.style", shift=1.0)
    return found.finish(), {}


def _convert_rosinality(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of rosinality: numbered from the second layer on, the mean code beside the network, or nowhere."""
    found = _Converter(_section(state, *_ROSINALITY) or {})
    for index in range(_count(found.left, r"style\.\d+\.weight")):
        found.dense(f"mapping.layers.{index}", f"style.{index + 1}", _GAIN, _MAPPING_RATE)
    found.left.pop("latent_avg", None)
    if "latent_avg" in state:
        found.made["mapping.mean"] = state["latent_avg"].flatten()
    found.made["constant"] = found.take("input.input")[0]
    for index in range(1 + _count(found.left, r"convs\.\d+\.conv\.weight")):
        key = f"convs.{index - 1}" if index else "conv1"
        weight = _scaled(found.take(f"{key}.conv.weight")[0])
        rest = [found.take(name) for name in (f"{key}.activate.bias", f"noises.noise_{index}", f"{key}.noise.weight")]
        found.layer(index, weight, *rest)
        found.dense(f"layers.{index}.affine", f"{key}.conv.modulation")
    for level in range(1 + _count(found.left, r"to_rgbs\.\d+\.bias")):
        key = f"to_rgbs.{level - 1}" if level else "to_rgb1"
        found.colour(level, found.take(f"{key}.conv.weight"), found.take(f"{key}.bias"))
        found.dense(f"colours.{level}.affine", f"{key}.conv.modulation")
    return found.finish(), {}


def _scaled(weight: Tensor, *, flip: bool = False) -> Tensor:
    """Equalise a convolution's learning rate, which matters where a small number is added before the root."""
    scaled = weight / sqrt(weight[0].numel())
    return scaled.flip(2, 3) if flip else scaled


_NVIDIA = ("synthesis.b4.const", ("G_ema.", ""))
_GENFORCE = ("synthesis.early_layer.const", ("generator_smooth.", "generator.", ""))
_ROSINALITY = ("conv1.conv.modulation.weight", ("g_ema.", "g.", ""))

LAYOUTS = (
    Layout("nvidia", _detector(*_NVIDIA), _convert_nvidia),
    Layout("genforce", _detector(*_GENFORCE), _convert_genforce),
    Layout("rosinality", _detector(*_ROSINALITY), _convert_rosinality),
)


def sized(state: State) -> Generator:
    """Build the network of the sizes that a canonical state tells. Raises `CheckpointError` where it cannot."""
    depth = _count(state, r"mapping\.layers\.\d+\.weight")
    levels = _count(state, r"colours\.\d+\.weight")
    try:
        shapes = [tuple(state[f"mapping.layers.{index}.weight"].shape) for index in range(depth)]
        widths = [shapes[0][1], *(rows for rows, _ in shapes)]
        channels = [state[f"colours.{level}.weight"].shape[1] for level in range(levels)]
        embedded, classes = state["mapping.embed.weight"].shape if "mapping.embed.weight" in state else (0, 0)
        mapping = MappingNetwork(widths[0] - embedded, widths, classes)
        return Generator(mapping, widths[-1], channels)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"the shapes of the StyleGAN2 file are those of no network: {error}") from None
