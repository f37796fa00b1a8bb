"""The public file formats of PGGAN generators, each converted to the keys of `PGGANGenerator`.

Equalised learning rates, with the gain √2 of He's initialisation, are folded into the weights. The weights of
upsampling layers stay 3x3 at first: where a layer has as many inputs as outputs, only an option says what its weight
means. So `fold_upsampling` comes last.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from torch import Tensor

from zoo import Layout, State
from zoo.checkpoints import (
    StateDictConverter,
    count_keys,
    fold_upsample_into_conv,
    require_modules,
    require_settings,
    tensorflow_settings,
)
from zoo_adapters.pggan.network import PGGANGenerator

_GAIN = sqrt(2)
_OWNER = "the PGGAN file"
_TENSORFLOW = "4x4/Dense/weight"
_GENFORCE = "layer0.weight"
# What modules that were pickled whole say.
_GENFORCE_ATTRIBUTES = {
    r"layer\d+\.activate\._class": "LeakyReLU",
    r"output\d+\.activate\._class": "Identity",
    r"final_activate\._class": "Identity",
    r"(.*\.)?use_wscale": True,
    r"(.*\.)?eps": 1e-8,
    r"label_size": 0,
}
_SUPPORTED = {
    "label_size": 0,
    "normalize_latents": True,
    "use_wscale": True,
    "use_pixelnorm": True,
    "use_leakyrelu": True,
}


class _Converter(StateDictConverter):
    """The conversion of a PGGAN's layers, weights as `torch.nn.functional.conv2d` takes them: (out, in, h, w)."""

    def __init__(self, state: State) -> None:
        super().__init__(state, _OWNER)

    def set_start(self, weight: Tensor, bias: Tensor) -> None:
        """Set the dense layer, reordered to whole pixels.

        Args:
            weight: (channels, 16, dim).
            bias: (channels,).
        """
        # The dense layer's gain is √2 / 4 in the official code.
        self.converted["start.weight"] = weight.transpose(0, 1).flatten(0, 1) * (_GAIN / 4 / sqrt(weight.shape[2]))
        self.converted["start.bias"] = bias.repeat(16)

    def set_conv(self, name: str, weight: Tensor, bias: Tensor, *, inputs: int, gain: float = _GAIN) -> None:
        """Set a convolution.

        Args:
            name: its canonical name.
            weight: as stored; its runtime factor is gain / √(inputs · taps).
            bias: (out,).
            inputs: input channels.
            gain: the gain of the activation that follows.
        """
        self.converted[f"{name}.weight"] = weight * (gain / sqrt(inputs * weight[0, 0].numel()))
        self.converted[f"{name}.bias"] = bias


def _convert_tensorflow(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Variables of the official networks; a fused upsampling layer keeps its weight (k, k, out, in)."""
    require_settings(tensorflow_settings(meta), _SUPPORTED, _OWNER)
    converter = _Converter(state)
    levels = count_keys(converter.remaining, r"ToRGB_lod\d+/weight")
    fused = "8x8/Conv0_up/weight" in converter.remaining
    dense = converter.pop("4x4/Dense/weight").T
    converter.set_start(dense.unflatten(0, (-1, 16)), converter.pop("4x4/Dense/bias"))
    config = {"lod": converter.pop_number("lod", 0.0), "fused": fused}

    def convert(name: str, key: str, **gain: float) -> None:
        # (h, w, in, out) becomes (out, in, h, w); a fused layer's (h, w, out, in) becomes (in, out, h, w).
        weight = converter.pop(f"{key}/weight").permute(3, 2, 0, 1)
        inputs = weight.shape[0 if key.endswith("_up") else 1]
        converter.set_conv(name, weight, converter.pop(f"{key}/bias"), inputs=inputs, **gain)

    for level in range(levels):
        block = f"{4 << level}x{4 << level}"
        if level:
            convert(f"doubles.{level - 1}", f"{block}/Conv0{'_up' if fused else ''}")
        convert(f"convs.{level}", f"{block}/Conv{1 if level else ''}")
        convert(f"colours.{level}", f"ToRGB_lod{levels - 1 - level}", gain=1.0)
    return converter.finish(), config


def _detect_genforce(state: State, meta: Mapping[str, Any]) -> bool:
    return state[_GENFORCE].shape[2:] == (4, 4)


def _convert_genforce(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of genforce; the dense layer is a convolution of 4x4 taps over one pixel, so it is flipped."""
    require_modules(meta, _OWNER, classes={"LeakyReLU": {"negative_slope": 0.2}}, attributes=_GENFORCE_ATTRIBUTES)
    converter = _Converter(state)
    config: dict[str, Any] = {"lod": converter.pop_number("lod", 0.0)}
    dense = converter.pop("layer0.weight").flip(2, 3)
    converter.set_start(dense.permute(0, 2, 3, 1).flatten(1, 2), converter.pop("layer0.bias"))
    for level in range(count_keys(converter.remaining, r"output\d+\.weight")):
        if level:
            weight = converter.pop(f"layer{2 * level}.weight")
            bias = converter.pop(f"layer{2 * level}.bias")
            inputs = len(converter.converted[f"convs.{level - 1}.bias"])
            # The bias has as many numbers as there are outputs. A fused layer's weight has its inputs first.
            if len(bias) != inputs:
                config["fused"] = weight.shape[0] == inputs
            elif f"layer{2 * level}.use_conv2d_transpose" in meta:
                config["fused"] = bool(meta[f"layer{2 * level}.use_conv2d_transpose"])
            converter.set_conv(f"doubles.{level - 1}", weight, bias, inputs=inputs)
        for name, key, gain in (("convs", f"layer{2 * level + 1}", _GAIN), ("colours", f"output{level}", 1.0)):
            weight = converter.pop(f"{key}.weight")
            bias = converter.pop(f"{key}.bias")
            converter.set_conv(f"{name}.{level}", weight, bias, inputs=weight.shape[1], gain=gain)
    if "fused" not in config:
        converter.setting("fused", None, False)
    return converter.finish(), converter.config(**config)


def fold_upsampling(state: State, *, fused: bool) -> State:
    """Fold upsampling into the 3x3 weights of upsampling layers.

    Args:
        state: the canonical state; weights of 4x4 taps, which are folded already, are left as they are.
        fused: whether the file's weights are those of transposed convolutions, (in, out, 3, 3) and flipped; else they
            are (out, in, 3, 3).

    Returns:
        The state with weights (in, out, 4, 4).
    """
    folded = dict(state)
    for key, weight in state.items():
        if key.startswith("doubles.") and key.endswith(".weight") and weight.shape[-1] == 3:
            folded[key] = fold_upsample_into_conv(weight.transpose(0, 1).flip(2, 3) if fused else weight)
    return folded


def network_from_state(state: State, lod: float) -> PGGANGenerator:
    """Build the network whose sizes the shapes of a canonical state give; its weights are not filled in.

    Args:
        state: the canonical state.
        lod: the level of detail.

    Returns:
        The network.

    Raises:
        CheckpointError: for a level of detail out of range.
        LookupError: where keys are missing.
    """
    levels = count_keys(state, r"colours\.\d+\.weight")
    channels = [len(state[f"convs.{level}.bias"]) for level in range(levels)]
    img_channels = len(state[f"colours.{levels - 1}.weight"])
    return PGGANGenerator(state["start.weight"].shape[1], channels, lod, img_channels)


LAYOUTS = (
    Layout(
        "tensorflow",
        _convert_tensorflow,
        about="the authors' pickles of TensorFlow's variables (karras2018iclr-*.pkl)",
        required_keys=(_TENSORFLOW, "4x4/Dense/bias"),
    ),
    Layout(
        "genforce",
        _convert_genforce,
        about="genforce, Hammer and the released SeFa",
        required_keys=(_GENFORCE, "output0.weight"),
        detect=_detect_genforce,
    ),
)
