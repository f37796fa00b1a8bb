"""The public file formats of StyleGAN2 generators, each brought to the keys of `network.Generator`.

Folded in on the way: equalised learning rates, the activations' gain √2 (into the mapping's weights, and into bias and
noise strength of the layers), the 1 added to styles, the scale of the colours.
"""

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from zoo import CheckpointError, Layout, State
from zoo.conversion import Conversion, count, section
from zoo.mapped import Mapping as MappingNetwork
from zoo_adapters.stylegan2.network import Generator

_GAIN = sqrt(2)
_MAPPING_RATE = 0.01
_TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])
_FILTERS = ("resample_filter", "kernel")


def _detector(mark: str, prefixes: tuple[str, ...]) -> Callable[[State, Mapping[str, Any]], bool]:
    return lambda state, meta: section(state, mark, prefixes) is not None


class _Conversion(Conversion):
    """The conversion of a StyleGAN2's layers."""

    def __init__(self, state: State) -> None:
        super().__init__(state, "the StyleGAN2 file")

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
        """Check the filters that are left over, and drop them. Raises `CheckpointError`."""
        for key in [key for key in self.left if key.endswith(_FILTERS)]:
            _check_filter(key, self.left.pop(key))
        return super().finish()


def _check_filter(key: str, tensor: Tensor) -> None:
    wanted = torch.outer(_TAPS, _TAPS)
    if tensor.numel() != 16 or not torch.allclose(
        tensor.reshape(4, 4) / tensor.sum() * wanted.sum(), wanted, atol=1e-4
    ):
        raise CheckpointError(f"{key} is not the filter 1, 3, 3, 1: only networks that resample by it can be opened")


def _convert_nvidia(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of NVIDIA's PyTorch ports; the style's bias holds the 1, doubling layers correlate."""
    found = _Conversion(section(state, *_NVIDIA) or {})
    for index in range(count(found.left, r"mapping\.fc\d+\.weight")):
        found.dense(f"mapping.layers.{index}", f"mapping.fc{index}", gain=_GAIN, rate=_MAPPING_RATE)
    found.made["mapping.mean"] = found.take("mapping.w_avg")
    if "mapping.embed.weight" in found.left:
        found.dense("mapping.embed", "mapping.embed")
    found.made["constant"] = found.take("synthesis.b4.const")
    for level in range(count(found.left, r"synthesis\.b\d+\.torgb\.weight")):
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
    found = _Conversion(section(state, *_GENFORCE) or {})
    for index in range(count(found.left, r"mapping\.dense\d+\.weight")):
        found.dense(f"mapping.layers.{index}", f"mapping.dense{index}", gain=_GAIN, rate=_MAPPING_RATE)
    found.made["mapping.mean"] = found.take("truncation.w_avg")
    found.made["constant"] = found.take("synthesis.early_layer.const")[0]
    for index in range(count(found.left, r"synthesis\.layer\d+\.weight")):
        key = f"synthesis.layer{index}"
        weight = _scaled(found.take(f"{key}.weight"), flip=index % 2 == 1)
        rest = [found.take(f"{key}.{name}") for name in ("bias", "noise", "noise_strength")]
        found.layer(index, weight, *rest)
        found.dense(f"layers.{index}.affine", f"{key}.style", shift=1.0)
    for level in range(count(found.left, r"synthesis\.output\d+\.weight")):
        key = f"synthesis.output{level}"
        found.colour(level, found.take(f"{key}.weight"), found.take(f"{key}.bias"))
        found.dense(f"colours.{level}.affine", f"{key}.style", shift=1.0)
    return found.finish(), {}


def _convert_rosinality(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of rosinality: numbered from the second layer on, the mean code beside the network, or nowhere."""
    found = _Conversion(section(state, *_ROSINALITY) or {})
    for index in range(count(found.left, r"style\.\d+\.weight")):
        found.dense(f"mapping.layers.{index}", f"style.{index + 1}", gain=_GAIN, rate=_MAPPING_RATE)
    found.left.pop("latent_avg", None)
    if "latent_avg" in state:
        found.made["mapping.mean"] = state["latent_avg"].flatten()
    found.made["constant"] = found.take("input.input")[0]
    for index in range(1 + count(found.left, r"convs\.\d+\.conv\.weight")):
        key = f"convs.{index - 1}" if index else "conv1"
        weight = _scaled(found.take(f"{key}.conv.weight")[0])
        rest = [found.take(name) for name in (f"{key}.activate.bias", f"noises.noise_{index}", f"{key}.noise.weight")]
        found.layer(index, weight, *rest)
        found.dense(f"layers.{index}.affine", f"{key}.conv.modulation")
    for level in range(1 + count(found.left, r"to_rgbs\.\d+\.bias")):
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
    depth = count(state, r"mapping\.layers\.\d+\.weight")
    levels = count(state, r"colours\.\d+\.weight")
    try:
        shapes = [tuple(state[f"mapping.layers.{index}.weight"].shape) for index in range(depth)]
        widths = [shapes[0][1], *(rows for rows, _ in shapes)]
        channels = [state[f"colours.{level}.weight"].shape[1] for level in range(levels)]
        embedded, classes = state["mapping.embed.weight"].shape if "mapping.embed.weight" in state else (0, 0)
        mapping = MappingNetwork(widths[0] - embedded, widths, classes)
        return Generator(mapping, widths[-1], channels)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"the shapes of the StyleGAN2 file are those of no network: {error}") from None
