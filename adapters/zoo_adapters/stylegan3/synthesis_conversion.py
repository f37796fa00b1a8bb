"""The synthesis network of StyleGAN3's files, whose layers StyleGAN-XL's have too.

Folded into the weights: equalised learning rates, the activations' gain √2 (into the layers' bias), the normalisation
of convolutions' weights, the factor by which a filter raises the rate, and the output scale.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from math import ceil, log2, pi, sqrt
from typing import Any

import torch
from torch import Tensor

from zoo import CheckpointError, State
from zoo.checkpoints import require_modules
from zoo.nn import StyleConverter, mapping_from_state
from zoo_adapters.stylegan3.network import StyleGAN3Generator, ToRGB
from zoo_adapters.stylegan3.synthesis_input import SynthesisInput
from zoo_adapters.stylegan3.synthesis_layer import Resampling, SynthesisLayer

# What modules that were pickled whole say.
_ATTRIBUTES = {
    r"mapping\.(fc\d+|embed_proj)\.activation": "lrelu",
    r"(.*\.affine|mapping\.embed)\.activation": "linear",
}

# What a layer's key is: its number, the size of its map and its channels.
LAYER_KEY = re.compile(r"synthesis\.L(\d+)_(\d+)_\d+\.weight")

_GAIN = sqrt(2)

# The settings of the published networks, for a file of tensors alone.
OUTPUT_SCALE = 0.25
_CONV_CLAMP = 256.0
_BANDWIDTH = 2.0  # of the input's waves
_FINER = (2, 4, 1, 8)  # possible rates of nonlinearities, for each of the higher rate of input and output
_RESPONSE_TOLERANCE = 0.1

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


def convert_synthesis(
    converter: StyleConverter, meta: Mapping[str, Any], *, classes: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Convert the synthesis network; settings are read beside the tensors, told by the tensors, or assumed.

    Args:
        converter: the conversion; it keeps the tensors of the mapping network.
        meta: the plain values of the file.
        classes: the layers of torch in the mapping network, as `require_modules` takes them.

    Returns:
        The settings that `network_from_state` takes.

    Raises:
        CheckpointError: where the layers do not fit each other, or modules of either network are not those of zoo's.
    """
    whole = "synthesis.output_scale" in meta
    layers = _find_layers(converter)
    clamp = meta.get(f"{layers[0][0]}.conv_clamp")
    clamps = {r"synthesis\.L\d+_\w+\.conv_clamp": clamp}
    require_modules(meta, converter.owner, classes=classes, attributes={**_ATTRIBUTES, **clamps})
    rates = _sampling_rates(converter, layers)
    # Waves are damped from the bandwidth on. As NVIDIA draws them, none is faster than it, so that none is damped.
    fastest = float(converter.peek("synthesis.input.freqs").square().sum(dim=1).max().sqrt())
    bandwidth = _BANDWIDTH if fastest <= _BANDWIDTH < rates[0] / 2 else fastest
    _convert_input(converter)
    # The first layer keeps the size and the rate of the input's map. The last one is ToRGB.
    maps = [(size, rate) for (_, size), rate in zip(layers, rates, strict=False)]
    finer = _FINER[0] if whole else _finer_factor(converter, converter.peek(f"{layers[-2][0]}.down_filter"))
    resamplings = [
        _convert_layer(converter, (f"layers.{index}", key), between, finer, meta)
        for index, ((key, _), between) in enumerate(zip(layers, pairwise([maps[0], *maps]), strict=False))
    ]
    output_scale = converter.setting("output_scale", meta.get("synthesis.output_scale"), OUTPUT_SCALE)
    _convert_to_rgb(converter, layers[-1][0], output_scale)
    return {
        "plans": [{key: getattr(plan, name) for name, key in _PLAN_KEYS.items()} for plan in resamplings],
        "rate": meta.get("synthesis.input.sampling_rate", rates[0]),
        "bandwidth": meta.get("synthesis.input.bandwidth", bandwidth),
        "clamp": clamp if whole else converter.setting("conv_clamp", clamp, _CONV_CLAMP),
        "scale": output_scale,
    }


def _find_layers(converter: StyleConverter) -> list[tuple[str, int]]:
    """List the layers in order: the key of each, and the size of its map, which is a part of the key."""
    matches = [match for match in map(LAYER_KEY.fullmatch, converter.remaining) if match]
    matches.sort(key=lambda match: int(match[1]))
    layers = [(match[0].removesuffix(".weight"), int(match[2])) for match in matches]
    if len(layers) < 2 or layers[-1][1] != layers[-2][1]:
        names = ", ".join(key for key, _ in layers[-2:]) or "none"
        raise CheckpointError(f"{converter.owner} does not fit the network; the last layers that it has: {names}")
    return layers


def _sampling_rates(converter: StyleConverter, layers: list[tuple[str, int]]) -> list[int]:
    """Infer the sampling rate of each layer's map, from the last one, whose rate is that of the image.

    A layer's filters have as many taps for each factor of the rate, and both lead to one finer rate, so that the
    numbers of their taps are as the rates of input and output. Every map but the last ones has the same margin.

    Raises:
        CheckpointError: for filters between which no rates lie, or maps whose margins differ.
    """
    rates = [1 << ceil(log2(layers[-1][1]))]
    for key, _ in layers[-2:0:-1]:
        taps = [len(converter.peek(f"{key}.{name}")) for name in ("up_filter", "down_filter")]
        rate, rest = divmod(rates[0] * taps[1], taps[0])
        if rest or not rate:
            raise CheckpointError(
                f"{converter.owner} does not fit the network; the filters of {key} have {taps[0]} and {taps[1]} taps, "
                f"which lead to no rate of {rates[0]}"
            )
        rates.insert(0, rate)
    margins = {size - rate for (_, size), rate in zip(layers[:-2], rates, strict=False)}
    if len(margins) > 1:
        sides = ", ".join(str(size) for _, size in layers)
        raise CheckpointError(
            f"{converter.owner} does not fit the network; its maps of {sides} points a side have no common margin "
            f"beyond the rates {', '.join(map(str, rates))}, which their filters tell"
        )
    return rates


def _finer_factor(converter: StyleConverter, down_filter: Tensor) -> int:
    """Infer by how much the rate of the last nonlinearity is above that of the image, from the filter after it.

    In published networks, that filter halves the amplitude of waves of the image's Nyquist frequency, which is
    1 / (2 · factor) of the finer rate.
    """
    taps = (down_filter.sum(dim=0) if down_filter.ndim == 2 else down_filter).double()
    positions = torch.arange(len(taps)) - (len(taps) - 1) / 2
    for factor in _FINER:
        response = float((taps * torch.cos(pi * positions / factor)).sum() / taps.sum())
        if abs(response - 0.5) < _RESPONSE_TOLERANCE:
            return factor
    converter.in_doubt.add("lrelu_upsampling")
    return int(converter.setting("lrelu_upsampling", None, _FINER[0]))


def _convert_input(converter: StyleConverter) -> None:
    key = "synthesis.input"
    weight = converter.pop(f"{key}.weight")
    converter.converted["input.weight"] = weight / sqrt(weight.shape[1])
    converter.assign("input.frequencies", f"{key}.freqs")
    converter.assign("input.phases", f"{key}.phases")
    converter.assign("input.transform", f"{key}.transform")
    converter.linear("input.affine", f"{key}.affine")


def _convert_layer(
    converter: StyleConverter,
    names: tuple[str, str],
    maps: tuple[tuple[int, int], tuple[int, int]],
    finer: int,
    settings: Mapping[str, Any],
) -> Resampling:
    """Convert a layer (canonical name, key) between two maps (size, sampling rate), and return how it resamples."""
    name, key = names
    (in_size, in_rate), (out_size, out_rate) = maps
    weight, up_filter, down_filter = (converter.pop(f"{key}.{part}") for part in ("weight", "up_filter", "down_filter"))
    fine_rate = finer * max(in_rate, out_rate)
    up = settings.get(f"{key}.up_factor", fine_rate // in_rate)
    down = settings.get(f"{key}.down_factor", fine_rate // out_rate)
    # Weights have a root mean square of 1 for each output.
    converter.converted[f"{name}.weight"] = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
    converter.converted[f"{name}.bias"] = converter.pop(f"{key}.bias") * _GAIN
    # Raising the rate puts zeros between points, for which the factor makes up; lowering it convolves, not correlates.
    converter.converted[f"{name}.upper"] = up_filter * up
    converter.converted[f"{name}.lower"] = down_filter.flip(list(range(down_filter.ndim)))
    converter.assign(f"{name}.magnitude", f"{key}.magnitude_ema")
    converter.linear(f"{name}.affine", f"{key}.affine")
    return Resampling(
        in_size=in_size + weight.shape[-1] - 1,
        out_size=out_size,
        up=up,
        down=down,
        up_taps=len(up_filter),
        down_taps=len(down_filter),
        padding=settings.get(f"{key}.padding.0"),
    )


def _convert_to_rgb(converter: StyleConverter, key: str, output_scale: float) -> None:
    weight = converter.pop(f"{key}.weight")
    magnitude_ema = converter.pop(f"{key}.magnitude_ema")
    scale = output_scale * magnitude_ema.rsqrt() / sqrt(weight[0].numel())
    converter.converted["colour.weight"] = weight.flatten(1) * scale
    converter.converted["colour.bias"] = converter.pop(f"{key}.bias") * output_scale
    converter.linear("colour.affine", f"{key}.affine")


def lrelu_upsampling_ratio(config: Mapping[str, Any]) -> float:
    """Compare the option `lrelu_upsampling` with the factor that the plans have.

    Args:
        config: as `network_from_state` takes it.

    Returns:
        The chosen factor over that of the plans; 1 if none was chosen.
    """
    # The first layer keeps the rate, so that it raises it by just that factor.
    planned: int = config["plans"][0]["up"]
    chosen: int = config.get("lrelu_upsampling", planned)
    return chosen / planned


def network_from_state(state: State, config: Mapping[str, Any]) -> StyleGAN3Generator:
    """Build the network whose sizes a canonical state and its config give; its weights are not filled in.

    Args:
        state: the canonical state.
        config: what the conversion gave beside it: `plans`, a resampling for each layer; `rate` and `bandwidth` of the
            input; `clamp`, the bound of activations; `scale`, that of the output. The options `conv_clamp` and
            `output_scale` take the place of the last two, `lrelu_upsampling` that of the plans' factors, and `z_dim`
            may say how long z is.

    Returns:
        The network.

    Raises:
        LookupError, TypeError, ValueError: where state and config fit no network.
    """
    mapping = mapping_from_state(state, z_dim=config.get("z_dim"))
    # Settings of a file can be anything; a plan must have exactly the known keys.
    names = {key: name for name, key in _PLAN_KEYS.items()}
    resamplings = [Resampling(**{names[key]: value for key, value in plan.items()}) for plan in config["plans"]]
    finer = lrelu_upsampling_ratio(config)
    resamplings = [replace(one, up=round(one.up * finer), down=round(one.down * finer)) for one in resamplings]
    clamp = config.get("conv_clamp", config["clamp"])
    conv_clamp = None if clamp is None else float(clamp)
    layers = []
    for index, resampling in enumerate(resamplings):
        shape = state[f"layers.{index}.weight"].shape
        radial = state[f"layers.{index}.lower"].ndim == 2
        layers.append(SynthesisLayer(mapping.w_dim, shape, resampling, radial=radial, conv_clamp=conv_clamp))
    size = resamplings[0].in_size + 1 - state["layers.0.weight"].shape[-1]
    channels = len(state["input.phases"])
    start = SynthesisInput(mapping.w_dim, channels, size, float(config["rate"]), float(config["bandwidth"]))
    scale = float(config.get("output_scale", config["scale"]))
    rgb_clamp = None if conv_clamp is None else conv_clamp * scale
    img_channels, in_channels = state["colour.weight"].shape
    to_rgb = ToRGB(mapping.w_dim, in_channels, img_channels, rgb_clamp)
    return StyleGAN3Generator(mapping, start, layers, to_rgb)
