"""Pickled networks of the published sizes with random weights: the tensors and attributes of each object in a file.

from benchmarks.pickled import r3gan, stylegan3, stylegan_xl

stylegan3("t", 1024).state            # the state dict
stylegan3("r", 256).meta              # the settings beside it, flat, as `read_checkpoint` gives them
stylegan_xl("imagenet128").state      # of the stem and three superresolution stages

Weights are scaled so that pictures are not saturated. Filters and sizes of StyleGAN3 are those of the paper (Karras et
al., NeurIPS 2021, section 3.2 and appendix C): low-pass filters of 6 taps for each factor of the rate under a Kaiser
window, by scipy, or a jinc under the same window where the filter is radial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log2, pi, prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Of StyleGAN3: taps of a filter for each factor of the rate, the factor by which the nonlinearity's rate is higher,
# points of a map beyond the image, layers, how many of the last ones are critically sampled, numbers of z and w.
_TAPS = 6
_LRELU_UPSAMPLING = 2
_MARGIN = 10
_LAYERS = 14
_CRITICAL = 2
_DIM = 512

# Of StyleGAN-XL: numbers of z, and features of a class.
_XL_DIM = 64
_FEATURES = 320


@dataclass(frozen=True)
class Pickled:
    """One network object.

    Attributes:
        class_name: its class.
        state: its state dict.
        init_kwargs: the arguments that it was made with; empty for a class whose objects do not keep them.
        attributes: the attributes of its modules, by path; the path of the object itself is empty.
    """

    class_name: str
    state: dict[str, Tensor]
    init_kwargs: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def meta(self) -> dict[str, Any]:
        """The settings, flat: nested names are joined by points, lists are indexed."""
        nested = {"_class": self.class_name, "_init_kwargs": self.init_kwargs, **self.attributes}
        return {key.lstrip("."): value for key, value in _flat(nested, "")}


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping | list):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, each in pairs:
            yield from _flat(each, f"{path}.{key}")
    elif not isinstance(value, np.ndarray):
        yield path, value


@dataclass(frozen=True)
class _Signal:
    """A map as samples of a signal.

    Attributes:
        size: height and width in points.
        rate: the sampling rate.
        cutoff: the cutoff frequency.
        half_width: half the width of the transition band.
    """

    size: int
    rate: int
    cutoff: float
    half_width: float


@dataclass(frozen=True)
class _Layer:
    """A layer of a synthesis network between two signals.

    Attributes:
        key: its key.
        before: the signal that it reads.
        after: the signal that it makes.
        inputs: channels of the one.
        outputs: channels of the other.
        critical: whether it is critically sampled.
    """

    key: str
    before: _Signal
    after: _Signal
    inputs: int
    outputs: int
    critical: bool


def _stage(
    resolution: int, layers: int, base: int, most: int, stem: Sequence[_Layer] = (), *, channels: int = 3
) -> list[_Layer]:
    """Make the layers of a resolution, up to ToRGB, after those of a stem without its critically sampled ones.

    Cutoffs grow geometrically from those of the input, or of the stem, up to the critically sampled last layers.
    """
    first = (2.0, 2**2.1)
    if stem:
        first = (stem[-1].after.cutoff, stem[-1].after.cutoff + stem[-1].after.half_width)
    last = (resolution / 2, resolution / 2 * 2**0.3)
    signals, widths = [], []
    for index in range(layers + 1):
        share = min(index / (layers - _CRITICAL), 1)
        cutoff, stop = (low * (high / low) ** share for low, high in zip(first, last, strict=True))
        rate = 2 ** int(np.ceil(log2(min(2 * stop, resolution))))
        if stem and not index:
            rate = stem[-1].after.rate
        size = resolution if index >= layers - 1 else rate + 2 * _MARGIN
        signals.append(_Signal(size, rate, cutoff, max(stop, rate / 2) - cutoff))
        widths.append(int(min(np.rint(base / 2 / cutoff), most)))
    widths = [stem[-1].outputs if stem else widths[0], *widths[1:-1], channels]
    number = len(stem) + 1 if stem else 0
    made = []
    for index, (before, after) in enumerate(pairwise([signals[0], *signals])):
        key = f"synthesis.L{number + index}_{after.size}_{widths[index]}"
        critical = index >= layers - _CRITICAL
        made.append(_Layer(key, before, after, widths[max(index - 1, 0)], widths[index], critical))
    return made


def _low_pass(taps: int, of: _Signal, rate: int, *, radial: bool = False) -> Tensor:
    """Design a filter that keeps a signal's band at a sampling rate: (taps,), or (taps, taps)."""
    from scipy import signal, special

    if not radial:
        return torch.as_tensor(signal.firwin(taps, of.cutoff, width=2 * of.half_width, fs=rate), dtype=torch.float32)
    positions = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.hypot(*np.meshgrid(positions, positions))
    window = np.kaiser(taps, signal.kaiser_beta(signal.kaiser_atten(taps, 2 * of.half_width / (rate / 2))))
    kernel = special.j1(2 * of.cutoff * pi * radius) / (pi * radius) * np.outer(window, window)
    return torch.as_tensor(kernel / kernel.sum(), dtype=torch.float32)


def stylegan3(config: str = "t", resolution: int = 1024, seed: int = 0, classes: int = 0) -> Pickled:
    """Make G_ema of configuration T or R: of 1024² and 512² as FFHQ's, of 256² with half the channels at most rates."""
    radial = config == "r"
    kernel = 1 if radial else 3
    base = (32768 if resolution > 256 else 16384) * (1 + radial)
    most = 512 * (1 + radial)
    draw = _Draw(seed)
    draw.dense("mapping.fc0", _DIM, _DIM * (2 if classes else 1), rate=0.01)
    draw.dense("mapping.fc1", _DIM, _DIM, rate=0.01)
    if classes:
        draw.dense("mapping.embed", _DIM, classes)
    draw.state["mapping.w_avg"] = draw.normal(_DIM) * 0.1
    attributes = _draw_synthesis(draw, _stage(resolution, _LAYERS, base, most), kernel, radial=radial)
    kwargs: dict[str, Any] = {"z_dim": _DIM, "c_dim": classes, "w_dim": _DIM, "img_resolution": resolution}
    kwargs |= {"img_channels": 3, "mapping_kwargs": {"num_layers": 2}, "channel_base": base, "channel_max": most}
    kwargs |= {"conv_kernel": kernel, "use_radial_filters": radial}
    return Pickled("training.networks_stylegan3.Generator", draw.state, kwargs, attributes)


def stylegan_xl(name: str = "imagenet128", seed: int = 0) -> Pickled:
    """Make G_ema of StyleGAN-XL as its paper describes it: imagenet16, 32, 64 and so on, up to imagenet1024.

    A stem of 16 x 16 pixels has 11 layers. Each doubling of the resolution adds seven after it has cut off the last
    two, and the last one adds five (section 3.3).
    """
    resolution = int(name.removeprefix("imagenet"))
    base, most = 65536, 1024
    layers = _stage(16, 10, base, most)
    for level in range(5, resolution.bit_length()):
        layers = [layer for layer in layers if not layer.critical]
        layers += _stage(1 << level, 5 if level == 10 else 7, base, most, layers)
    draw = _Draw(seed)
    draw.dense("mapping.fc0", _DIM, 2 * _XL_DIM, rate=0.01)
    draw.dense("mapping.fc1", _DIM, _DIM, rate=0.01)
    draw.state["mapping.embed.weight"] = draw.normal(1000, _FEATURES)
    draw.dense("mapping.embed_proj", _XL_DIM, _FEATURES)
    draw.state["mapping.w_avg"] = draw.normal(1000, _DIM) * 0.1
    attributes = _draw_synthesis(draw, layers, 3, radial=False)
    attributes["mapping"] = {"z_dim": _XL_DIM, "c_dim": 1000}
    kwargs = {"img_resolution": resolution, "path_stem": "stem.pkl", "head_layers": 7, "up_factor": 2}
    return Pickled("training.networks_stylegan3_resetting.SuperresGenerator", draw.state, kwargs, attributes)


class _Draw:
    """Draws tensors under their keys, all from one seed."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.state: dict[str, Tensor] = {}

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal numbers."""
        return torch.randn(shape, generator=self.generator)

    def weight(self, key: str, *shape: int, gain: float = 1.0) -> None:
        """Draw a weight (out, in, ...) whose outputs have the mean square gain² for inputs of mean square 1."""
        self.state[f"{key}.weight"] = self.normal(*shape) * gain * prod(shape[1:]) ** -0.5

    def dense(self, key: str, outputs: int, inputs: int, *, rate: float = 1.0, bias: float = 0.0) -> None:
        """Draw a fully connected layer of equalised learning rate."""
        self.state[f"{key}.weight"] = self.normal(outputs, inputs) / rate
        self.state[f"{key}.bias"] = torch.full([outputs], bias)


def _draw_synthesis(draw: _Draw, layers: Sequence[_Layer], kernel: int, *, radial: bool) -> dict[str, dict[str, Any]]:
    """Draw the input and the layers; return the attributes of their objects."""
    attributes = {"synthesis": {"num_ws": len(layers) + 1, "output_scale": 0.25}}
    attributes["synthesis.input"] = _draw_input(draw, layers[0].inputs, layers[0].before)
    for layer in layers:
        taps = 1 if layer is layers[-1] else kernel
        shape = (layer.outputs, layer.inputs, taps, taps)
        signals = (layer.before, layer.after)
        attributes[layer.key] = _draw_layer(draw, layer.key, shape, signals, radial and not layer.critical)
    return attributes


def _draw_input(draw: _Draw, channels: int, of: _Signal) -> dict[str, Any]:
    """Draw waves within the first band, and an affine map by which w hardly rotates or translates them."""
    key = "synthesis.input"
    waves = draw.normal(channels, 2)
    radii = waves.norm(dim=1, keepdim=True)
    draw.state[f"{key}.weight"] = draw.normal(channels, channels)
    draw.state[f"{key}.transform"] = torch.eye(3)
    draw.state[f"{key}.freqs"] = waves / (radii * (radii.square() / 4).exp()) * of.cutoff
    draw.state[f"{key}.phases"] = torch.rand(channels, generator=draw.generator) - 0.5
    draw.state[f"{key}.affine.weight"] = draw.normal(4, _DIM) * 0.1
    draw.state[f"{key}.affine.bias"] = torch.tensor([1.0, 0, 0, 0])
    return {"sampling_rate": of.rate, "bandwidth": of.cutoff, "size": np.array([of.size] * 2)}


def _draw_layer(
    draw: _Draw, key: str, shape: tuple[int, int, int, int], signals: tuple[_Signal, _Signal], radial: bool
) -> dict[str, Any]:
    """Draw a layer of a weight's shape between two signals; the last one, ToRGB, has no filters."""
    outputs, inputs, kernel, _ = shape
    before, after = signals
    to_rgb = outputs == 3
    rate = max(before.rate, after.rate) * (1 if to_rgb else _LRELU_UPSAMPLING)
    up = rate // before.rate
    down = rate // after.rate
    up_taps, down_taps = (1 if to_rgb else _TAPS * factor for factor in (up, down))
    draw.state[f"{key}.weight"] = draw.normal(*shape)
    draw.state[f"{key}.bias"] = 0.1 * draw.normal(outputs)
    draw.state[f"{key}.magnitude_ema"] = torch.ones(())
    if not to_rgb:
        draw.state[f"{key}.up_filter"] = _low_pass(up_taps, before, rate)
        draw.state[f"{key}.down_filter"] = _low_pass(down_taps, after, rate, radial=radial)
    draw.dense(f"{key}.affine", inputs, _DIM, bias=1.0)
    total = (after.size - 1) * down + 1 - (before.size + kernel - 1) * up + up_taps + down_taps - 2
    first = (total + up) // 2
    settings = {"is_torgb": to_rgb, "conv_kernel": kernel, "conv_clamp": 256, "padding": [first, total - first] * 2}
    sizes = {"in_size": np.array([before.size] * 2), "out_size": np.array([after.size] * 2)}
    factors = {"up_factor": up, "up_taps": up_taps, "down_factor": down, "down_taps": down_taps, "down_radial": radial}
    rates = {"in_sampling_rate": before.rate, "out_sampling_rate": after.rate, "tmp_sampling_rate": rate}
    return {**settings, **sizes, **factors, **rates}


# Of R3GAN: blocks a stage, how many times as wide as the stage they are, channels of a group.
_BLOCKS = 2
_EXPANSION = 2
_GROUP_SIZE = 16
_STAGES = {
    "cifar10": (768,) * 4,
    "ffhq-64": (*(768,) * 4, 384),
    "ffhq-256": (*(768,) * 4, 384, 192, 96),
    "imagenet-32": (1536,) * 4,
    "imagenet-64": (1536,) * 5,
}
_GROUP_SIZES = {"imagenet-32": 32, "imagenet-64": 32}
_CLASSES = {"cifar10": 10, "imagenet-32": 1000, "imagenet-64": 1000}
_CODE = 64


def r3gan(config: str = "ffhq-256", seed: int = 0) -> Pickled:
    """Make G_ema of a published configuration, a key of `_STAGES`: codes of 64 numbers, two blocks a stage."""
    draw = _Draw(seed)
    stages = _STAGES[config]
    classes = _CLASSES.get(config, 0)
    group_size = _GROUP_SIZES.get(config, _GROUP_SIZE)
    embedded = _CODE if classes else 0
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    for index, (inputs, channels) in enumerate(pairwise([_CODE + embedded, *stages])):
        key = f"Model.MainLayers.{index}.Layers"
        if index:
            draw.state[f"{key}.0.Resampler.Kernel"] = torch.outer(taps, taps)
            if inputs != channels:
                draw.weight(f"{key}.0.LinearLayer.Layer", channels, inputs, 1, 1)
        else:
            draw.state[f"{key}.0.Basis"] = draw.normal(channels, 4, 4)
            draw.weight(f"{key}.0.LinearLayer", channels, inputs)
        for block in range(1, _BLOCKS + 1):
            _draw_block(draw, f"{key}.{block}", channels, group_size)
    draw.weight("Model.AggregationLayer.Layer", 3, stages[-1], 1, 1, gain=0.2)
    if classes:
        draw.weight("Model.EmbeddingLayer", _CODE, classes)
    attributes = {"": {"z_dim": _CODE, "c_dim": classes, "img_resolution": 2 << len(stages)}}
    return Pickled("training.networks.Generator", draw.state, attributes=attributes)


def _draw_block(draw: _Draw, key: str, channels: int, group_size: int) -> None:
    """Draw a residual block whose output is about a third of its input."""
    width = channels * _EXPANSION
    shapes = [(width, channels, 1, 1), (width, group_size, 3, 3), (channels, width, 1, 1)]
    for index, shape in enumerate(shapes, 1):
        draw.weight(f"{key}.LinearLayer{index}.Layer", *shape, gain=0.5 if index == len(shapes) else 1.4)
    for index in (1, 2):
        draw.state[f"{key}.NonLinearity{index}.Bias"] = 0.1 * draw.normal(width)
