"""The file format of the package lightweight-gan, converted to the keys of `LightweightGenerator`.

The normalisation after a convolution is folded into it, and the range [0, 1] of images is scaled to [-1, 1].
Normalisations use the statistics that the file stores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from zoo import CheckpointError, Layout, State
from zoo.checkpoints import StateDictConverter, count_keys, require_modules
from zoo_adapters.fastgan.checkpoint import CLASSES, fold_normalisation
from zoo_adapters.fastgan.lightweight_layers import LightweightSpec
from zoo_adapters.fastgan.lightweight_network import EXCITES_AFTER, LightweightGenerator

_OWNER = "the lightweight-gan file"

# The layers of torch in networks that were pickled whole.
_CLASSES: Mapping[str, Mapping[str, Any]] = {
    **CLASSES,
    **{name: {} for name in ("ZeroPad2d", "PixelShuffle", "GELU")},
    "LeakyReLU": {"negative_slope": 0.1},
    "Upsample": {"mode": "nearest"},
}

# The names of an attention's layers in a file with attention to neighbours, and in one without.
_BOTH = {"query": "to_lin_q", "depthwise": "to_lin_kv.net.0", "key_value": "to_lin_kv.net.1"}
_LOCAL = {"local_query": "to_q", "local_key_value": "to_kv"}
_LINEAR = {"query": "to_q", "depthwise": "to_kv.net.0", "key_value": "to_kv.net.1"}


# The version that added ε to variances before attention; earlier ones added it to standard deviations.
_ATTENTION_SINCE = (0, 20, 8)


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    require_modules(meta, _OWNER, classes=_CLASSES, attributes={})
    converter = StateDictConverter(state, _OWNER)
    converter.assign("start", "initial_conv.0.weight")
    scale, shift = fold_normalisation(converter, "initial_conv.1")
    bias = converter.pop("initial_conv.0.bias")
    with converter.fitting("initial_conv"):
        converter.converted |= {"start_scale": scale, "start_shift": shift + bias * scale}
    for index in range(count_keys(state, r"layers\.\d+\.0\.2(\.1)?\.weight")):
        _convert_upsampling(converter, f"levels.{index}", f"layers.{index}.0")
        _convert_excitation(converter, f"levels.{index}.excitation", f"layers.{index}.1")
        if f"layers.{index}.2.norm.g" in converter.remaining:
            if () < _version(meta) < _ATTENTION_SINCE:
                raise CheckpointError(
                    f"{_OWNER} is of version {meta['version']}, whose attention normalises otherwise: zoo reads "
                    f"attention of version {'.'.join(map(str, _ATTENTION_SINCE))} and later"
                )
            _convert_attention(converter, f"levels.{index}.attention", f"layers.{index}.2")
    upsampling = _upsampling(converter, state, meta)
    # The original's images have the range [0, 1].
    converter.converted["to_rgb.weight"] = 2 * converter.pop("out_conv.weight")
    converter.converted["to_rgb.bias"] = 2 * converter.pop("out_conv.bias") - 1
    return converter.finish(), converter.config(**upsampling)


def _upsampling(converter: StateDictConverter, state: State, meta: Mapping[str, Any]) -> dict[str, str]:
    """Tell how maps are enlarged where no weights do it; the package changed that more often than its weights."""
    if "layers.0.0.0.net.0.weight" in state:
        return {}
    if version := _version(meta):
        return {"upsampling": "bilinear" if (0, 21, 0) <= version <= (0, 21, 3) else "nearest"}
    if "layers.0.0.2.weight" in state:  # 3x3 taps: without noise in versions 0.20, with noise until 0.21.2
        return {"upsampling": "bilinear" if "layers.0.0.4.running_mean" in state else "nearest"}
    converter.setting("upsampling", None, "nearest")
    converter.in_doubt.add("upsampling")
    return {}


def _version(meta: Mapping[str, Any]) -> tuple[int, ...]:
    """Read the package's version from a training checkpoint; nothing where it does not tell."""
    said = re.match(r"(\d+)\.(\d+)\.(\d+)", str(meta.get("version", "")))
    return tuple(map(int, said.groups())) if said else ()


def _convert_upsampling(converter: StateDictConverter, name: str, key: str) -> None:
    """Convert upsampling, its filter, the convolution, its noise and its normalisation."""
    for part in ("weight", "bias"):
        converter.assign(f"{name}.shuffle.{part}", f"{key}.0.net.0.{part}", optional=True)
    if f"{key}.1.f" in converter.remaining:
        taps = converter.pop(f"{key}.1.f")
        converter.converted[f"{name}.blur"] = taps / taps.abs().sum()
    conv = f"{key}.2.1" if f"{key}.2.1.weight" in converter.remaining else f"{key}.2"
    weight, bias = converter.pop(f"{conv}.weight"), converter.pop(f"{conv}.bias")
    noisy = f"{key}.4.running_mean" in converter.remaining
    scale, shift = fold_normalisation(converter, f"{key}.{3 + noisy}")
    with converter.fitting(conv):
        converter.converted[f"{name}.conv.weight"] = weight * scale[:, None, None, None]
        converter.converted[f"{name}.conv.bias"] = shift + bias * scale
        if noisy:
            converter.converted[f"{name}.conv.noise_strength"] = converter.pop(f"{key}.3.weight") * scale


def _convert_excitation(converter: StateDictConverter, name: str, key: str) -> None:
    """Convert the excitation of a later map, if there is any."""
    if f"{key}.net.0.weight" not in converter.remaining:
        return
    if f"{key}.dct_weights" in converter.remaining:
        converter.converted[f"{name}.frequencies"] = _single(converter, f"{key}.dct_weights")
    else:
        for part in ("weight", "bias"):
            converter.assign(f"{name}.key.{part}", f"{key}.to_k.{part}")
    for index, layer in ((0, "squeeze"), (2, "excite")):
        converter.converted[f"{name}.{layer}.weight"] = converter.pop(f"{key}.net.{index}.weight").flatten(1)
        converter.assign(f"{name}.{layer}.bias", f"{key}.net.{index}.bias")


def _convert_attention(converter: StateDictConverter, name: str, key: str) -> None:
    """Convert an attention and the normalisation before it."""
    converter.converted[f"{name}.scale"] = converter.pop(f"{key}.norm.g").flatten()
    converter.converted[f"{name}.shift"] = converter.pop(f"{key}.norm.b").flatten()
    names = {**_BOTH, **_LOCAL} if f"{key}.fn.to_lin_q.weight" in converter.remaining else _LINEAR
    for layer, stored in names.items():
        suffix = "" if layer == "depthwise" else ".weight"
        converter.assign(f"{name}.{layer}{suffix}", f"{key}.fn.{stored}.weight")
    for part in ("weight", "bias"):
        converter.assign(f"{name}.output.{part}", f"{key}.fn.to_out.{part}")


def _single(converter: StateDictConverter, key: str) -> Tensor:
    """Pop a tensor whose first axis has one element, and leave that axis out."""
    tensor = converter.pop(key)
    with converter.fitting(key):
        return tensor.squeeze(0)


LAYOUTS = (
    Layout(
        "lightweight-gan",
        _convert,
        about="the package lightweight-gan, versions 0.20 to 1.2.1",
        required_keys=("initial_conv.0.weight", "initial_conv.1.running_mean", "out_conv.weight"),
    ),
)


def network_from_state(state: State, config: Mapping[str, Any]) -> LightweightGenerator:
    """Build the network whose sizes the shapes of a canonical state give; its weights are not filled in.

    Args:
        state: the canonical state.
        config: `upsampling`, where it is not learned.

    Returns:
        The network.

    Raises:
        LookupError, TypeError, ValueError: where the shapes fit no network.
    """
    dim, doubled = state["start"].shape[:2]
    levels = count_keys(state, r"levels\.\d+\.conv\.weight")
    widths = [doubled // 2, *(len(state[f"levels.{index}.conv.weight"]) // 2 for index in range(levels))]
    upsampling = config.get("upsampling", "nearest")
    specs = [_spec(state, index, widths, upsampling) for index in range(levels)]
    return LightweightGenerator(dim, specs, img_channels=len(state["to_rgb.weight"]))


def _spec(state: State, index: int, widths: list[int], upsampling: str) -> LightweightSpec:
    """Read the structure of a resolution from the shapes of its weights."""
    name = f"levels.{index}"
    _, between, kernel, _ = state[f"{name}.conv.weight"].shape
    excites = f"{name}.excitation.squeeze.weight" in state
    attention = "both" if f"{name}.attention.local_query.weight" in state else "linear"
    return LightweightSpec(
        widths[index],
        between,
        widths[index + 1],
        kernel=kernel,
        upsampling="learned" if f"{name}.shuffle.weight" in state else upsampling,
        blurred=f"{name}.blur" in state,
        noisy=f"{name}.conv.noise_strength" in state,
        attention=attention if f"{name}.attention.query.weight" in state else "none",
        excites=widths[index + 1 + EXCITES_AFTER] if excites else None,
        reduced=len(state[f"{name}.excitation.squeeze.weight"]) if excites else 3,
        frequencies=f"{name}.excitation.frequencies" in state,
    )
