"""The public file format of StyleGAN3 generators, brought to the keys of the family's generator.

Folded in on the way: equalised learning rates, the activations' gain √2 (into the mapping's weights and the layers'
bias), the normalisation of convolutions' weights, the factor by which a filter raises the rate, and the 0.25 of images.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from math import sqrt
from typing import Any

from zoo import CheckpointError, Layout, State
from zoo.checkpoints import (
    StateDictConverter,
    collect_settings,
    count_keys,
    detect_by_keys,
    find_prefix,
    network_state,
)
from zoo.nn import mapping_from_state
from zoo_adapters.stylegan3.network import Resampling, StyleGAN3Generator, SynthesisInput, SynthesisLayer, ToRGB

_MARK, _PREFIXES = "synthesis.input.freqs", ("G_ema.", "G.", "")
_LAYER = re.compile(r"synthesis\.L(\d+)_(\d+)_\d+\.weight")
_GAIN = sqrt(2)
_RATE, _SCALE, _CLAMP, _MARGIN, _BANDWIDTH, _TAPS = 0.01, 0.25, 256.0, 10, 2.0, 6
"""What the published networks have, for a file of tensors alone: the mapping's learning rate, the factor of images, the
bound of activations, the points of a map beyond the picture, the highest frequency of the input's waves within the
band, and the taps of a filter for each factor of the rate."""


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of NVIDIA's networks; what the tensors do not tell is read beside them, or is that of the published ones."""
    told = collect_settings(meta, [find_prefix(state, _MARK, _PREFIXES) or ""])
    found = StateDictConverter(network_state(state, _MARK, _PREFIXES) or {}, "the StyleGAN3 file")
    layers = _layers(found)
    for index in range(count_keys(found.left, r"mapping\.fc\d+\.weight")):
        rate = told.get(f"mapping.fc{index}.bias_gain", _RATE)
        found.dense(f"mapping.layers.{index}", f"mapping.fc{index}", gain=_GAIN, rate=rate)
    found.move("mapping.mean", "mapping.w_avg")
    if "mapping.embed.weight" in found.left:
        found.dense("mapping.embed", "mapping.embed")
    _convert_input(found)
    plans = [
        _convert_layer(found, f"layers.{index}", key, (inside, outside), told)
        for index, ((_, inside), (key, outside)) in enumerate(pairwise([layers[0], *layers[:-1]]))
    ]
    scale = told.get("synthesis.output_scale", _SCALE)
    _convert_colour(found, layers[-1][0], scale)
    config = {
        "plans": [asdict(plan) for plan in plans],
        "rate": told.get("synthesis.input.sampling_rate", layers[0][1] - 2 * _MARGIN),
        "bandwidth": told.get("synthesis.input.bandwidth", _BANDWIDTH),
        "clamp": told.get(f"{layers[0][0]}.conv_clamp", _CLAMP),
        "scale": scale,
    }
    return found.finish(), config


def _layers(found: StateDictConverter) -> list[tuple[str, int]]:
    """Find the layers in their order, each with the side of its map, which its name tells."""
    matches = [match for match in map(_LAYER.fullmatch, found.left) if match]
    layers = [
        (match[0].removesuffix(".weight"), int(match[2])) for match in sorted(matches, key=lambda match: int(match[1]))
    ]
    if len(layers) < 2 or layers[-1][1] != layers[-2][1]:
        names = ", ".join(key for key, _ in layers[-2:]) or "none"
        raise CheckpointError(f"{found.owner} does not fit the network; the last layers that it has: {names}")
    return layers


def _convert_input(found: StateDictConverter) -> None:
    key = "synthesis.input"
    weight = found.take(f"{key}.weight")
    found.made["input.weight"] = weight / sqrt(weight.shape[1])
    for name, old in (("frequencies", "freqs"), ("phases", "phases"), ("transform", "transform")):
        found.move(f"input.{name}", f"{key}.{old}")
    found.dense("input.affine", f"{key}.affine")


def _convert_layer(
    found: StateDictConverter, name: str, key: str, sides: tuple[int, int], told: Mapping[str, Any]
) -> Resampling:
    """Convert a layer between maps of two sides, and return how it resamples."""
    weight, upper, lower = (found.take(f"{key}.{part}") for part in ("weight", "up_filter", "down_filter"))
    up, down = (_factor(found, told, f"{key}.{way}", len(taps)) for way, taps in (("up", upper), ("down", lower)))
    found.made[f"{name}.weight"] = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
    found.made[f"{name}.bias"] = found.take(f"{key}.bias") * _GAIN
    found.made[f"{name}.upper"] = upper * up
    found.made[f"{name}.lower"] = lower.flip(list(range(lower.ndim)))
    found.move(f"{name}.magnitude", f"{key}.magnitude_ema")
    found.dense(f"{name}.affine", f"{key}.affine")
    inside = sides[0] + weight.shape[-1] - 1
    return Resampling(inside, sides[1], up, down, len(upper), len(lower), told.get(f"{key}.padding.0"))


def _factor(found: StateDictConverter, told: Mapping[str, Any], key: str, taps: int) -> Any:
    """Find the factor by which a filter changes the rate, or tell it by its taps. Raises `CheckpointError`."""
    if f"{key}_factor" in told:
        return told[f"{key}_factor"]
    if taps % _TAPS:
        raise CheckpointError(
            f"{found.owner} does not say the factor of {key}_filter, and its {taps} taps do not tell: in published "
            f"networks they are {_TAPS} for each; open the pickle instead"
        )
    return taps // _TAPS


def _convert_colour(found: StateDictConverter, key: str, scale: float) -> None:
    weight, magnitude = found.take(f"{key}.weight"), found.take(f"{key}.magnitude_ema")
    found.made["colour.weight"] = weight.flatten(1) * (scale * magnitude.rsqrt() / sqrt(weight[0].numel()))
    found.made["colour.bias"] = found.take(f"{key}.bias") * scale
    found.dense("colour.affine", f"{key}.affine")


LAYOUTS = (
    Layout(
        "nvidia",
        detect_by_keys(_MARK, _PREFIXES),
        _convert,
        about="NVIDIA's networks, configurations T and R, pickle or state dict",
        required_keys=(_MARK,),
    ),
)


def sized(state: State, config: Mapping[str, Any]) -> StyleGAN3Generator:
    """Build the network of the sizes that a canonical state and its config tell."""
    mapping = mapping_from_state(state)
    plans, dim = [Resampling(**plan) for plan in config["plans"]], len(mapping.mean)
    clamp = None if config["clamp"] is None else float(config["clamp"])
    layers = []
    for index, plan in enumerate(plans):
        weight, lower = state[f"layers.{index}.weight"], state[f"layers.{index}.lower"]
        layers.append(SynthesisLayer(dim, weight.shape, plan, radial=lower.ndim == 2, clamp=clamp))
    side = plans[0].inside + 1 - state["layers.0.weight"].shape[-1]
    start = SynthesisInput(dim, len(state["input.phases"]), side, float(config["rate"]), float(config["bandwidth"]))
    colour = ToRGB(dim, state["colour.weight"].shape[1], None if clamp is None else clamp * float(config["scale"]))
    return StyleGAN3Generator(mapping, start, layers, colour)
