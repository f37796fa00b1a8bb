"""The public file format of StyleGAN3 generators, converted to the keys of `StyleGAN3Generator`.

Folded into the weights: equalised learning rates, the activations' gain √2 (into the mapping's weights and the layers'
bias), the normalisation of convolutions' weights, the factor by which a filter raises the rate, and the output scale.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from math import sqrt
from typing import Any

from zoo import CheckpointError, Layout, State
from zoo.checkpoints import (
    StateDictConverter,
    count_keys,
    detect_by_keys,
)
from zoo.nn import mapping_from_state
from zoo_adapters.stylegan3.network import StyleGAN3Generator, ToRGB
from zoo_adapters.stylegan3.synthesis_input import SynthesisInput
from zoo_adapters.stylegan3.synthesis_layer import Resampling, SynthesisLayer

_MARK = "synthesis.input.freqs"
_LAYER_KEY = re.compile(r"synthesis\.L(\d+)_(\d+)_\d+\.weight")
_GAIN = sqrt(2)

# The settings of the published networks, for a file of tensors alone.
_MAPPING_LR_MULTIPLIER = 0.01
_OUTPUT_SCALE = 0.25
_CONV_CLAMP = 256.0
_MARGIN = 10  # points of a map beyond the image, on each side
_BANDWIDTH = 2.0  # of the input's waves
_TAPS_PER_FACTOR = 6  # of a filter, for each factor of the sampling rate

# The names under which the config of converted files holds a layer's resampling; a file format.
_PLAN_KEYS = {
    "in_size": "inside",
    "out_size": "outside",
    "up": "up",
    "down": "down",
    "up_taps": "upper",
    "down_taps": "lower",
    "padding": "before",
}


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of NVIDIA's networks; settings are read beside the tensors, or are those of the published networks."""
    converter = StateDictConverter(state, "the StyleGAN3 file")
    layers = _find_layers(converter)
    for index in range(count_keys(converter.remaining, r"mapping\.fc\d+\.weight")):
        lr_multiplier = meta.get(f"mapping.fc{index}.bias_gain", _MAPPING_LR_MULTIPLIER)
        converter.linear(f"mapping.layers.{index}", f"mapping.fc{index}", gain=_GAIN, lr_multiplier=lr_multiplier)
    converter.assign("mapping.mean", "mapping.w_avg", optional=True)
    if "mapping.embed.weight" in converter.remaining:
        converter.linear("mapping.embed", "mapping.embed")
    _convert_input(converter)
    # The first layer keeps the size of the input's map, which is its own. The last one is ToRGB.
    sizes = pairwise([layers[0], *layers[:-1]])
    resamplings = [
        _convert_layer(converter, f"layers.{index}", key, (in_size, out_size), meta)
        for index, ((_, in_size), (key, out_size)) in enumerate(sizes)
    ]
    output_scale = meta.get("synthesis.output_scale", _OUTPUT_SCALE)
    _convert_to_rgb(converter, layers[-1][0], output_scale)
    config = {
        "plans": [{key: getattr(plan, name) for name, key in _PLAN_KEYS.items()} for plan in resamplings],
        "rate": meta.get("synthesis.input.sampling_rate", layers[0][1] - 2 * _MARGIN),
        "bandwidth": meta.get("synthesis.input.bandwidth", _BANDWIDTH),
        "clamp": meta.get(f"{layers[0][0]}.conv_clamp", _CONV_CLAMP),
        "scale": output_scale,
    }
    return converter.finish(), config


def _find_layers(converter: StateDictConverter) -> list[tuple[str, int]]:
    """List the layers in order: the key of each, and the size of its map, which is a part of the key."""
    matches = [match for match in map(_LAYER_KEY.fullmatch, converter.remaining) if match]
    matches.sort(key=lambda match: int(match[1]))
    layers = [(match[0].removesuffix(".weight"), int(match[2])) for match in matches]
    if len(layers) < 2 or layers[-1][1] != layers[-2][1]:
        names = ", ".join(key for key, _ in layers[-2:]) or "none"
        raise CheckpointError(f"{converter.owner} does not fit the network; the last layers that it has: {names}")
    return layers


def _convert_input(converter: StateDictConverter) -> None:
    key = "synthesis.input"
    weight = converter.pop(f"{key}.weight")
    converter.converted["input.weight"] = weight / sqrt(weight.shape[1])
    converter.assign("input.frequencies", f"{key}.freqs")
    converter.assign("input.phases", f"{key}.phases")
    converter.assign("input.transform", f"{key}.transform")
    converter.linear("input.affine", f"{key}.affine")


def _convert_layer(
    converter: StateDictConverter, name: str, key: str, sizes: tuple[int, int], settings: Mapping[str, Any]
) -> Resampling:
    """Convert a layer between maps of two sizes, and return how it resamples."""
    weight, up_filter, down_filter = (converter.pop(f"{key}.{part}") for part in ("weight", "up_filter", "down_filter"))
    up = _factor(converter, settings, f"{key}.up", len(up_filter))
    down = _factor(converter, settings, f"{key}.down", len(down_filter))
    # Weights have a root mean square of 1 for each output.
    converter.converted[f"{name}.weight"] = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
    converter.converted[f"{name}.bias"] = converter.pop(f"{key}.bias") * _GAIN
    # Raising the rate puts zeros between points, for which the factor makes up; lowering it convolves, not correlates.
    converter.converted[f"{name}.upper"] = up_filter * up
    converter.converted[f"{name}.lower"] = down_filter.flip(list(range(down_filter.ndim)))
    converter.assign(f"{name}.magnitude", f"{key}.magnitude_ema")
    converter.linear(f"{name}.affine", f"{key}.affine")
    return Resampling(
        in_size=sizes[0] + weight.shape[-1] - 1,
        out_size=sizes[1],
        up=up,
        down=down,
        up_taps=len(up_filter),
        down_taps=len(down_filter),
        padding=settings.get(f"{key}.padding.0"),
    )


def _factor(converter: StateDictConverter, settings: Mapping[str, Any], key: str, taps: int) -> Any:
    """Return the factor by which a filter changes the rate: a setting, else what its taps tell."""
    if f"{key}_factor" in settings:
        return settings[f"{key}_factor"]
    if taps % _TAPS_PER_FACTOR:
        raise CheckpointError(
            f"{converter.owner} does not say the factor of {key}_filter, and its {taps} taps do not tell: in published "
            f"networks they are {_TAPS_PER_FACTOR} for each; open the pickle instead"
        )
    return taps // _TAPS_PER_FACTOR


def _convert_to_rgb(converter: StateDictConverter, key: str, output_scale: float) -> None:
    weight = converter.pop(f"{key}.weight")
    magnitude_ema = converter.pop(f"{key}.magnitude_ema")
    scale = output_scale * magnitude_ema.rsqrt() / sqrt(weight[0].numel())
    converter.converted["colour.weight"] = weight.flatten(1) * scale
    converter.converted["colour.bias"] = converter.pop(f"{key}.bias") * output_scale
    converter.linear("colour.affine", f"{key}.affine")


LAYOUTS = (
    Layout(
        "nvidia",
        detect_by_keys(_MARK),
        _convert,
        about="NVIDIA's networks, configurations T and R, pickle or state dict",
        required_keys=(_MARK,),
    ),
)


def network_from_state(state: State, config: Mapping[str, Any]) -> StyleGAN3Generator:
    """Build the network whose sizes a canonical state and its config give; its weights are not filled in.

    Args:
        state: the canonical state.
        config: what the conversion gave beside it: `plans`, a resampling for each layer; `rate` and `bandwidth` of the
            input; `clamp`, the bound of activations; `scale`, that of the output.

    Returns:
        The network.

    Raises:
        LookupError, TypeError, ValueError: where state and config fit no network.
    """
    mapping = mapping_from_state(state)
    # Settings of a file can be anything; a plan must have exactly the known keys.
    names = {key: name for name, key in _PLAN_KEYS.items()}
    resamplings = [Resampling(**{names[key]: value for key, value in plan.items()}) for plan in config["plans"]]
    conv_clamp = None if config["clamp"] is None else float(config["clamp"])
    layers = []
    for index, resampling in enumerate(resamplings):
        shape = state[f"layers.{index}.weight"].shape
        radial = state[f"layers.{index}.lower"].ndim == 2
        layers.append(SynthesisLayer(mapping.w_dim, shape, resampling, radial=radial, conv_clamp=conv_clamp))
    size = resamplings[0].in_size + 1 - state["layers.0.weight"].shape[-1]
    channels = len(state["input.phases"])
    start = SynthesisInput(mapping.w_dim, channels, size, float(config["rate"]), float(config["bandwidth"]))
    rgb_clamp = None if conv_clamp is None else conv_clamp * float(config["scale"])
    to_rgb = ToRGB(mapping.w_dim, state["colour.weight"].shape[1], rgb_clamp)
    return StyleGAN3Generator(mapping, start, layers, to_rgb)
