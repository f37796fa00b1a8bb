"""The public file format of StyleGAN3 generators, brought to the keys of `network.Generator`.

Folded in on the way: equalised learning rates, the activations' gain √2 (into the mapping's weights and the layers'
bias), the normalisation of convolutions' weights, the factor by which a filter raises the rate, and the 0.25 of images.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from math import sqrt
from typing import Any

from torch import Tensor

from zoo import CheckpointError, Layout, State
from zoo.conversion import Conversion, count, section
from zoo.mapped import Mapping as MappingNetwork
from zoo_adapters.stylegan3.network import Colour, Generator, Input, Layer, Resampling

_GAIN = sqrt(2)
_MAPPING_RATE = 0.01
_PREFIXES = ("G_ema.", "G.", "")
_MARK = "synthesis.input.freqs"
_LAYER = re.compile(r"synthesis\.(L(\d+)_(\d+)_\d+)\.weight")
_OUTPUT_SCALE = 0.25
_CLAMP, _MARGIN, _BANDWIDTH, _TAPS = 256.0, 10, 2.0, 6
"""What the published networks have, for a file that holds tensors alone: activations are clamped at 256, maps reach 10
points beyond the picture, the input's waves have frequencies up to 2, and filters 6 taps for each factor of the rate."""


def _detect(state: State, meta: Mapping[str, Any]) -> bool:
    return section(state, _MARK, _PREFIXES) is not None


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of NVIDIA's networks; what the tensors do not tell is read beside them, or is that of the published ones."""
    prefix = next(prefix for prefix in _PREFIXES if prefix + _MARK in state)
    beside = {key.removeprefix(prefix): value for key, value in meta.items() if key.startswith(prefix)}
    found = Conversion(section(state, _MARK, _PREFIXES) or {}, "the StyleGAN3 file")
    sides = _sides(found)
    names = list(sides)
    config = _facts(found, sides, beside)
    rate = beside.get("mapping.fc0.bias_gain", _MAPPING_RATE)
    for index in range(count(found.left, r"mapping\.fc\d+\.weight")):
        found.dense(f"mapping.layers.{index}", f"mapping.fc{index}", gain=_GAIN, rate=rate)
    found.move("mapping.mean", "mapping.w_avg")
    if "mapping.embed.weight" in found.left:
        found.dense("mapping.embed", "mapping.embed")
    _convert_input(found)
    for index, (name, plan) in enumerate(zip(names, config["plans"], strict=False)):
        _convert_layer(found, f"layers.{index}", name, plan.up)
    _convert_colour(found, names[-1], beside.get("synthesis.output_scale", _OUTPUT_SCALE))
    return found.finish(), config


def _sides(found: Conversion) -> dict[str, int]:
    """Find the layers in their order, and the sides of their maps, which their names tell."""
    layers = sorted((int(match[2]), match[1], int(match[3])) for match in map(_LAYER.fullmatch, found.left) if match)
    if len(layers) < 2 or layers[-1][2] != layers[-2][2]:
        raise CheckpointError(f"{found.owner} does not fit the network; its layers: {[name for _, name, _ in layers]}")
    return {f"synthesis.{name}": side for _, name, side in layers}


def _facts(found: Conversion, sides: Mapping[str, int], beside: Mapping[str, Any]) -> dict[str, Any]:
    """Read what the network's shapes do not tell: rates, and what each layer does with them."""
    names = list(sides)
    plans = []
    for before, name in pairwise([names[0], *names[:-1]]):
        upper, lower, weight = (found.see(f"{name}.{part}") for part in ("up_filter", "down_filter", "weight"))
        plans.append(
            Resampling(
                sides[before] + weight.shape[-1] - 1,
                sides[name],
                beside.get(f"{name}.up_factor", len(upper) // _TAPS),
                beside.get(f"{name}.down_factor", len(lower) // _TAPS),
                len(upper),
                len(lower),
                beside.get(f"{name}.padding.0"),
            )
        )
    return {
        "plans": plans,
        "rate": beside.get("synthesis.input.sampling_rate", sides[names[0]] - 2 * _MARGIN),
        "bandwidth": beside.get("synthesis.input.bandwidth", _BANDWIDTH),
        "clamp": beside.get(f"{names[0]}.conv_clamp", _CLAMP),
        "scale": beside.get("synthesis.output_scale", _OUTPUT_SCALE),
    }


def _convert_input(found: Conversion) -> None:
    key = "synthesis.input"
    weight = found.take(f"{key}.weight")
    found.made["input.weight"] = weight / sqrt(weight.shape[1])
    for name, old in (("frequencies", "freqs"), ("phases", "phases"), ("transform", "transform")):
        found.move(f"input.{name}", f"{key}.{old}")
    found.dense("input.affine", f"{key}.affine")


def _convert_layer(found: Conversion, name: str, key: str, up: int) -> None:
    weight = found.take(f"{key}.weight")
    found.made[f"{name}.weight"] = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
    found.made[f"{name}.bias"] = found.take(f"{key}.bias") * _GAIN
    found.move(f"{name}.magnitude", f"{key}.magnitude_ema")
    found.made[f"{name}.upper"] = found.take(f"{key}.up_filter") * up
    lower = found.take(f"{key}.down_filter")
    found.made[f"{name}.lower"] = lower.flip(list(range(lower.ndim)))
    found.dense(f"{name}.affine", f"{key}.affine")


def _convert_colour(found: Conversion, key: str, scale: float) -> None:
    weight, magnitude = found.take(f"{key}.weight"), found.take(f"{key}.magnitude_ema")
    found.made["colour.weight"] = weight.reshape(3, -1) * (scale * magnitude.rsqrt() / sqrt(weight[0].numel()))
    found.made["colour.bias"] = found.take(f"{key}.bias") * scale
    found.dense("colour.affine", f"{key}.affine")


LAYOUTS = (Layout("nvidia", _detect, _convert),)


def sized(state: State, config: Mapping[str, Any]) -> Generator:
    """Build the network of the sizes that a canonical state and its config tell. Raises `CheckpointError` if it cannot."""
    try:
        shapes = [
            tuple(state[f"mapping.layers.{index}.weight"].shape)
            for index in range(count(state, r"mapping\.layers\.\d+\.weight"))
        ]
        widths = [shapes[0][1], *(rows for rows, _ in shapes)]
        embedded, classes = state["mapping.embed.weight"].shape if "mapping.embed.weight" in state else (0, 0)
        mapping = MappingNetwork(widths[0] - embedded, widths, classes)
        plans, clamp, dim = config["plans"], config["clamp"], widths[-1]
        layers = [
            Layer(
                dim,
                state[f"layers.{index}.weight"].shape,
                plan,
                radial=state[f"layers.{index}.lower"].ndim == 2,
                clamp=clamp,
            )
            for index, plan in enumerate(plans)
        ]
        side = plans[0].inside - layers[0].weight.shape[-1] + 1
        start = Input(dim, len(state["input.phases"]), side, config["rate"], config["bandwidth"])
        colour = Colour(dim, state["colour.weight"].shape[1], clamp and clamp * config["scale"])
        return Generator(mapping, start, layers, colour)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"the shapes of the StyleGAN3 file are those of no network: {error}") from None
