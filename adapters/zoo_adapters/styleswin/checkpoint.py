"""The authors' file format of StyleSwin, converted to the keys of `StyleSwinGenerator`.

Learning-rate multipliers are folded into the weights. The original draws images that are normalised as ImageNet's
pictures are; the ToRGB layers undo that.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt, sqrt
from typing import Any

import torch
from torch import Tensor

from zoo import Layout, State
from zoo.checkpoints import check_filter, count_keys, require_modules
from zoo.nn import StyleConverter, mapping_from_state
from zoo_adapters.styleswin.blocks import LevelSpec
from zoo_adapters.styleswin.network import StyleSwinGenerator

_OWNER = "the StyleSwin file"
_TAPS = (1.0, 3.0, 3.0, 1.0)

# Mean and spread of the channels of ImageNet's pictures, of values from 0 to 1.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)

# The layers of torch in networks that were pickled whole.
_CLASSES: Mapping[str, Mapping[str, Any]] = {
    **{name: {} for name in ("Linear", "Conv2d", "GELU", "Softmax")},
    "InstanceNorm1d": {"eps": 1e-5, "affine": False, "track_running_stats": False},
    "LayerNorm": {"eps": 1e-5},
    "Upsample": {"mode": "bilinear"},
}


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    require_modules(meta, _OWNER, classes=_CLASSES, attributes={})
    converter = StyleConverter(state, _OWNER)
    for index in range(count_keys(converter.remaining, r"style\.\d+\.weight")):
        lr_multiplier = converter.lr_mlp(meta.get(f"style.{index + 1}.lr_mul"))
        converter.linear(f"mapping.layers.{index}", f"style.{index + 1}", gain=sqrt(2), lr_multiplier=lr_multiplier)
    converter.w_avg("latent_avg")
    converter.in_doubt.discard("w_avg")  # no file of this format has it
    constant = converter.pop("input.input")
    with converter.fitting("input.input"):
        converter.converted["const"] = constant.squeeze(0).permute(1, 2, 0)
    levels = count_keys(converter.remaining, r"layers\.\d+\.blocks\.0\.qkv\.weight")
    for level in range(levels):
        for number in (0, 1):
            _convert_block(converter, f"blocks.{2 * level + number}", f"layers.{level}.blocks.{number}")
        if level < levels - 1:
            _convert_upsample(converter, f"upsamples.{level}", f"layers.{level}.upsample")
        _convert_to_rgb(converter, level, is_last=level == levels - 1)
    return converter.finish(), converter.config()


def _convert_block(converter: StyleConverter, name: str, key: str) -> None:
    """Convert a block; masks and numbers of positions follow from the sizes of windows."""
    for number in (1, 2):
        converter.linear(f"{name}.affine{number}", f"{key}.norm{number}.style")
    for layer, stored in (("qkv", "qkv"), ("proj", "proj"), ("fc1", "mlp.fc1"), ("fc2", "mlp.fc2")):
        converter.assign(f"{name}.{layer}.weight", f"{key}.{stored}.weight")
        converter.assign(f"{name}.{layer}.bias", f"{key}.{stored}.bias", optional=layer == "qkv")
    for half in (0, 1):
        attention = f"{key}.attn.{half}"
        converter.assign(f"{name}.attentions.{half}.position_bias", f"{attention}.relative_position_bias_table")
        converter.remaining.pop(f"{attention}.relative_position_index", None)
        converter.remaining.pop(f"{key}.attn_mask{half + 1}", None)


def _convert_upsample(converter: StyleConverter, name: str, key: str) -> None:
    """Convert the layer between two resolutions; the encoding of positions follows from their channels."""
    converter.assign(f"{name}.scale", f"{key}.norm.weight")
    converter.assign(f"{name}.shift", f"{key}.norm.bias")
    converter.assign(f"{name}.reduction.weight", f"{key}.reduction.weight")
    converter.converted[f"{name}.position_strength"] = torch.tensor(converter.pop_number(f"{key}.alpha", 0.0))
    converter.remaining.pop(f"{key}.sin_pos_embed._float_tensor", None)  # never read


def _convert_to_rgb(converter: StyleConverter, level: int, *, is_last: bool) -> None:
    """Convert a ToRGB layer; the mean is added once, as filters do not keep a constant at the borders."""
    key = f"to_rgbs.{level}"
    if f"{key}.upsample.kernel" in converter.remaining:
        check_filter(f"{key}.upsample.kernel", converter.pop(f"{key}.upsample.kernel"), _TAPS)
    weight, bias, constant = (converter.pop(f"{key}.{part}") for part in ("conv.weight", "conv.bias", "bias"))
    if len(bias) != len(_MEAN):  # the original draws RGB only
        converter.assumed["image_statistics"] = "mean 0.5, spread 0.5"
        converter.in_doubt.add("image_statistics")
    with converter.fitting(key):
        # From (x − mean) / std to 2 x − 1.
        spread, mean = 2 * _for_channels(_STD, bias), _for_channels(_MEAN, bias)
        converter.converted[f"to_rgb.{level}.weight"] = weight * spread[:, None, None, None]
        converter.converted[f"to_rgb.{level}.bias"] = (bias + constant.flatten()) * spread + is_last * (2 * mean - 1)


def _for_channels(values: tuple[float, ...], bias: Tensor) -> Tensor:
    """Return a value for each channel of the image: ImageNet's for RGB, else those of the range [-1, 1]."""
    return torch.tensor(values if len(bias) == len(values) else [0.5] * len(bias))


LAYOUTS = (
    Layout(
        "styleswin",
        _convert,
        about="the authors' code, `FFHQ_256.pt` and the like, of any size",
        required_keys=(
            "layers.0.blocks.0.norm1.style.weight",
            "layers.0.blocks.0.attn.0.relative_position_bias_table",
            "to_rgbs.0.conv.weight",
        ),
        keys_beside=("latent_avg",),
    ),
)


def network_from_state(state: State) -> StyleSwinGenerator:
    """Build the network whose sizes the shapes of a canonical state give; its weights are not filled in.

    Args:
        state: the canonical state.

    Returns:
        The network.

    Raises:
        LookupError, TypeError, ValueError: where the shapes fit no network.
    """
    levels = count_keys(state, r"to_rgb\.\d+\.weight")
    mapping = mapping_from_state(state)
    return StyleSwinGenerator(
        mapping, [_spec(state, f"blocks.{2 * level}") for level in range(levels)], len(state["to_rgb.0.bias"])
    )


def _spec(state: State, name: str) -> LevelSpec:
    """Read the structure of a resolution from the shapes of its first block."""
    positions, heads = state[f"{name}.attentions.0.position_bias"].shape
    channels = len(state[f"{name}.proj.weight"])
    return LevelSpec(
        channels,
        heads=2 * heads,
        window=(isqrt(positions) + 1) // 2,
        hidden=len(state[f"{name}.fc1.weight"]) // channels,
        biased=f"{name}.qkv.bias" in state,
    )
