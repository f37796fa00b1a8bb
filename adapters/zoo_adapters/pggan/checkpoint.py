"""The public file formats of PGGAN generators, each brought to the keys of the family's generator.

Folded in on the way: equalised learning rates with the gain √2 of He's initialisation. Weights of doubling layers stay
3x3 here: where inputs and outputs are as many, only an option tells how a file means them, so `joined` comes last.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from torch import Tensor

from zoo import Layout, State
from zoo.checkpoints import (
    TENSORFLOW_PREFIXES,
    StateDictConverter,
    count_keys,
    detect_by_keys,
    find_prefix,
    fold_upsample_into_conv,
    network_state,
    require_settings,
    tensorflow_settings,
)
from zoo_adapters.pggan.network import PGGANGenerator

_GAIN = sqrt(2)
_OWNER = "the PGGAN file"
_TENSORFLOW = ("4x4/Dense/weight", TENSORFLOW_PREFIXES)
_GENFORCE = ("layer0.weight", ("generator_smooth.", "generator.", ""))
_USUAL = {
    "num_channels": 3,
    "label_size": 0,
    "normalize_latents": True,
    "use_wscale": True,
    "use_pixelnorm": True,
    "use_leakyrelu": True,
}


class _Converter(StateDictConverter):
    """The conversion of a PGGAN's layers, weights as `torch.nn.functional.conv2d` correlates with (out, in, h, w)."""

    def __init__(self, state: State) -> None:
        super().__init__(state, _OWNER)

    def start(self, weight: Tensor, bias: Tensor) -> None:
        """Convert the dense layer, its weight (channels, 16, dim) and its bias (channels), to whole pixels."""
        self.made["start.weight"] = weight.transpose(0, 1).flatten(0, 1) * (_GAIN / 4 / sqrt(weight.shape[2]))
        self.made["start.bias"] = bias.repeat(16)

    def conv(self, name: str, weight: Tensor, bias: Tensor, *, inputs: int, gain: float = _GAIN) -> None:
        """Convert a convolution."""
        self.made[f"{name}.weight"] = weight * (gain / sqrt(inputs * weight[0, 0].numel()))
        self.made[f"{name}.bias"] = bias


def _convert_tensorflow(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Variables of the official networks; a fused doubling layer keeps its weight (k, k, out, in)."""
    require_settings(tensorflow_settings(meta, find_prefix(state, *_TENSORFLOW)), _USUAL, _OWNER)
    found = _Converter(network_state(state, *_TENSORFLOW) or {})
    levels, fused = count_keys(found.left, r"ToRGB_lod\d+/weight"), "8x8/Conv0_up/weight" in found.left
    first = found.take("4x4/Dense/weight").T
    found.start(first.unflatten(0, (-1, 16)), found.take("4x4/Dense/bias"))
    config = {"lod": found.number("lod", 0.0), "fused": fused}

    def convert(name: str, key: str, **how: float) -> None:
        weight = found.take(f"{key}/weight").permute(3, 2, 0, 1)
        inputs = weight.shape[0 if key.endswith("_up") else 1]
        found.conv(name, weight, found.take(f"{key}/bias"), inputs=inputs, **how)

    for level in range(levels):
        block = f"{4 << level}x{4 << level}"
        if level:
            convert(f"doubles.{level - 1}", f"{block}/Conv0{'_up' if fused else ''}")
        convert(f"convs.{level}", f"{block}/Conv{1 if level else ''}")
        convert(f"colours.{level}", f"ToRGB_lod{levels - 1 - level}", gain=1.0)
    return found.finish(), config


def _detect_genforce(state: State, meta: Mapping[str, Any]) -> bool:
    found = network_state(state, *_GENFORCE)
    return found is not None and "output0.weight" in found and found["layer0.weight"].shape[2:] == (4, 4)


def _convert_genforce(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of genforce; the dense layer is a convolution of 4x4 taps over one pixel, so it is flipped."""
    found = _Converter(network_state(state, *_GENFORCE) or {})
    config: dict[str, Any] = {"lod": found.number("lod", 0.0)}
    first = found.take("layer0.weight").flip(2, 3)
    found.start(first.permute(0, 2, 3, 1).flatten(1, 2), found.take("layer0.bias"))
    for level in range(count_keys(found.left, r"output\d+\.weight")):
        if level:
            weight, inputs = found.take(f"layer{2 * level}.weight"), len(found.made[f"convs.{level - 1}.bias"])
            bias = found.take(f"layer{2 * level}.bias")
            if len(bias) != inputs:
                config["fused"] = weight.shape[0] == inputs
            found.conv(f"doubles.{level - 1}", weight, bias, inputs=inputs)
        for name, key, gain in (("convs", f"layer{2 * level + 1}", _GAIN), ("colours", f"output{level}", 1.0)):
            weight = found.take(f"{key}.weight")
            found.conv(f"{name}.{level}", weight, found.take(f"{key}.bias"), inputs=weight.shape[1], gain=gain)
    return found.finish(), config


def joined(state: State, *, fused: bool) -> State:
    """Join upsampling to the weights of doubling layers: (out, in, 3, 3), or, `fused`, (in, out, 3, 3) and flipped.

    Those that are joined already, of 4x4 taps, are left as they are.
    """
    made = dict(state)
    for key, weight in state.items():
        if key.startswith("doubles.") and key.endswith(".weight") and weight.shape[-1] == 3:
            made[key] = fold_upsample_into_conv(weight.transpose(0, 1).flip(2, 3) if fused else weight)
    return made


def sized(state: State, lod: float) -> PGGANGenerator:
    """Build the network of the sizes that a canonical state tells."""
    levels = count_keys(state, r"colours\.\d+\.weight")
    return PGGANGenerator(
        state["start.weight"].shape[1], [len(state[f"convs.{level}.bias"]) for level in range(levels)], lod
    )


LAYOUTS = (
    Layout(
        "tensorflow",
        detect_by_keys(*_TENSORFLOW),
        _convert_tensorflow,
        about="the authors' pickles of TensorFlow's variables (karras2018iclr-*.pkl)",
        required_keys=(_TENSORFLOW[0],),
    ),
    Layout(
        "genforce",
        _detect_genforce,
        _convert_genforce,
        about="genforce and the released SeFa",
        required_keys=(_GENFORCE[0], "output0.weight"),
    ),
)
