"""Residual generators of the published sizes with random weights, in the file formats of their authors.

from benchmarks.official import biggan, biggan_deep, fastgan, lightweight_gan, studiogan, styleswin

biggan_deep(128).save(path)
model = zoo.load(path)

Weights are scaled so that images are not saturated: the stored vectors are those of the spectral norm, and the stored
statistics are about those of the layers' inputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

_ITERATIONS = 3
_STEPS = 51
_CLASSES = 1000


@dataclass(frozen=True)
class Official:
    """The contents of a published file.

    Attributes:
        content: what `torch.save` writes.
        container: the name of the container.
    """

    content: dict[str, Any]
    container: str = "torch zip"

    @property
    def state(self) -> dict[str, Tensor]:
        """The state dict in the file."""
        state: dict[str, Tensor] = self.content.get("state_dict", self.content)
        return state

    def save(self, path: Path) -> Path:
        """Write the file, and return its path."""
        torch.save(self.content, path)
        return path


class _Draw:
    """Draws tensors under their keys, all from one seed; a weight's norm is stored where it is `spectral`."""

    def __init__(self, seed: int, *, spectral: bool) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.spectral = spectral
        self.state: dict[str, Tensor] = {}

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal numbers."""
        return torch.randn(shape, generator=self.generator)

    def weight(self, key: str, *shape: int, bias: bool = True) -> float:
        """Draw a weight (out, in, ...), and return the mean square of its outputs for inputs of mean square 1."""
        weight = self.normal(*shape) * math.prod(shape[1:]) ** -0.5
        norm = self._spectral(key, weight) if self.spectral else 1.0
        if not self.spectral:
            self.state[f"{key}.weight"] = weight
        if bias:
            self.state[f"{key}.bias"] = 0.1 / norm * self.normal(shape[0])
        return 1 / norm**2

    def _spectral(self, key: str, weight: Tensor) -> float:
        """Keep a weight and the vectors of its spectral norm, which is returned."""
        matrix, left = weight.flatten(1), normalize(self.normal(len(weight)), dim=0)
        for _ in range(_ITERATIONS):
            right = normalize(matrix.T @ left, dim=0)
            left = normalize(matrix @ right, dim=0)
        for part, tensor in (("orig", weight), ("u", left), ("v", right)):
            self.state[f"{key}.weight_{part}"] = tensor
        return float(torch.dot(left, matrix @ right))

    def conditional(self, keys: Sequence[str], channels: int, condition: int) -> float:
        """Draw weights that read the condition, of mean square 1; return the mean square of the ReLU's output."""
        added = sum(self.weight(key, channels, condition, bias=False) for key in keys)
        return (1 + added) / 2

    def statistics(self, mean: str, variance: str, shape: Sequence[int], square: float) -> None:
        """Draw stored means around 0 and variances around a mean square."""
        self.state[mean] = 0.1 * square**0.5 * self.normal(*shape)
        self.state[variance] = square * (0.8 + 0.4 * torch.rand(*shape, generator=self.generator))

    def plain(self, key: str, channels: int) -> None:
        """Draw the scale and the shift of a normalisation that reads no condition."""
        self.state[f"{key}.weight"] = 1 + 0.1 * self.normal(channels)
        self.state[f"{key}.bias"] = 0.1 * self.normal(channels)

    def attention(self, key: str, channels: int, names: Sequence[str], gamma: str) -> None:
        """Draw self-attention: the weights of query, key, value and output, and the factor."""
        shapes = [(channels // 8, channels), (channels // 8, channels), (channels // 2, channels)]
        for name, (rows, columns) in zip(names, [*shapes, (channels, channels // 2)], strict=True):
            self.weight(f"{key}.{name}", rows, columns, 1, 1, bias=False)
        self.state[f"{key}.{gamma}"] = torch.tensor([0.5])


# BigGAN-deep of huggingface/pytorch-pretrained-BigGAN

_LAYERS = {
    128: ((16, 16), (16, 16), (16, 16), (16, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1)),
    256: ((16, 16), (16, 16), (16, 16), (16, 8), (8, 8), (8, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1)),
}
_LAYERS[512] = (*_LAYERS[256], (1, 1), (1, 1))
_ATTENTION_AT = 8
_CODE = 128


def biggan_deep(resolution: int = 128, seed: int = 0, *, width: int = 128, classes: int = _CLASSES) -> Official:
    """Draw `pytorch_model.bin` of 128², 256² or 512²: codes of 128 numbers, 1000 classes, `width` 128 as released."""
    draw = _Draw(seed, spectral=True)
    draw.state["embeddings.weight"] = draw.normal(_CODE, classes)
    square = draw.weight("generator.gen_z", 16 * 16 * width, 2 * _CODE)
    for index, (wide, narrow) in enumerate(_LAYERS[resolution]):
        inputs, outputs = wide * width, narrow * width
        if index == _ATTENTION_AT:
            names = [f"snconv1x1_{name}" for name in ("theta", "phi", "g", "o_conv")]
            draw.attention(f"generator.layers.{index}", inputs, names, "gamma")
        square += _bottleneck(draw, f"generator.layers.{index + (index >= _ATTENTION_AT)}", inputs, outputs, square)
    draw.plain("generator.bn", width)
    draw.statistics("generator.bn.running_means", "generator.bn.running_vars", (_STEPS, width), square)
    draw.weight("generator.conv_to_rgb", width, width, 3, 3)
    return Official(draw.state)


def _bottleneck(draw: _Draw, key: str, inputs: int, outputs: int, square: float) -> float:
    """Draw one block, and return the mean square of what it adds."""
    for index, shape in enumerate(_deep(inputs, outputs)):
        norm = f"{key}.bn_{index}"
        draw.statistics(f"{norm}.running_means", f"{norm}.running_vars", (_STEPS, shape[1]), square)
        left = draw.conditional([f"{norm}.scale", f"{norm}.offset"], shape[1], 2 * _CODE)
        square = left * draw.weight(f"{key}.conv_{index}", *shape)
    return square


def _deep(inputs: int, outputs: int) -> list[tuple[int, ...]]:
    """Return the shapes of a bottleneck's convolutions."""
    bottleneck = inputs // 4
    narrow, widen = (bottleneck, inputs, 1, 1), (outputs, bottleneck, 1, 1)
    return [narrow, (bottleneck, bottleneck, 3, 3), (bottleneck, bottleneck, 3, 3), widen]


# BigGAN-PyTorch

_BROCK = {128: (16, 16, 8, 4, 2, 1), 256: (16, 16, 8, 8, 4, 2, 1), 512: (16, 16, 8, 8, 4, 2, 1, 1)}
_CHUNKS = {128: 20, 256: 20, 512: 16}
_ATTENDS = 3


class _BrockDraw(_Draw):
    """Stores the one vector of a spectral norm that BigGAN-PyTorch has, and its log of the norm."""

    def _spectral(self, key: str, weight: Tensor) -> float:
        matrix, left = weight.flatten(1), normalize(self.normal(len(weight)), dim=0)
        for _ in range(_ITERATIONS):
            left = normalize(matrix @ normalize(matrix.T @ left, dim=0), dim=0)
        norm = float((matrix.T @ left).norm())
        self.state.update({f"{key}.weight": weight, f"{key}.u0": left[None], f"{key}.sv0": torch.tensor([norm])})
        return norm


def biggan(resolution: int = 128, seed: int = 0, *, width: int = 96, classes: int = _CLASSES) -> Official:
    """Draw `G_ema.pth` of 128², 256² or 512²: 1000 classes, embedded in 128 numbers, `width` 96 as released."""
    draw = _BrockDraw(seed, spectral=True)
    chunk = _CHUNKS[resolution]
    channels = [multiple * width for multiple in _BROCK[resolution]]
    draw.state["shared.weight"] = draw.normal(classes, _CODE)
    square = draw.weight("linear", 16 * channels[0], chunk)
    for index, (inputs, outputs) in enumerate(pairwise(channels)):
        key = f"blocks.{index}.0"
        short = square * draw.weight(f"{key}.conv_sc", outputs, inputs, 1, 1)
        for half, wide in ((1, inputs), (2, outputs)):
            norm = f"{key}.bn{half}"
            draw.statistics(f"{norm}.stored_mean", f"{norm}.stored_var", (wide,), square)
            left = draw.conditional([f"{norm}.gain", f"{norm}.bias"], wide, _CODE + chunk)
            square = left * draw.weight(f"{key}.conv{half}", outputs, wide, 3, 3)
        square += short
        if index == _ATTENDS:
            draw.attention(f"blocks.{index}.1", outputs, ["theta", "phi", "g", "o"], "gamma")
            draw.state[f"blocks.{index}.1.gamma"] = torch.tensor(0.5)
    gain, bias = (draw.normal(channels[-1]) for _ in range(2))
    draw.state.update({"output_layer.0.gain": 1 + 0.1 * gain, "output_layer.0.bias": 0.1 * bias})
    draw.statistics("output_layer.0.stored_mean", "output_layer.0.stored_var", (channels[-1],), square)
    draw.weight("output_layer.2", 3, channels[-1], 3, 3)
    return Official(draw.state)


# PyTorch-StudioGAN


@dataclass(frozen=True)
class _Studio:
    """A configuration for ImageNet.

    Attributes:
        width: channels of the narrowest map.
        code: numbers of the code that a layer reads.
        embedding: numbers of an embedded class; 0 without an embedding.
        depth: bottleneck blocks a stage; 0 for plain blocks.
        spectral: whether weights have spectral norms.
        shortcut: whether shortcuts are convolutions.
    """

    width: int
    code: int
    embedding: int = 0
    depth: int = 0
    spectral: bool = True
    shortcut: bool = True


STUDIOGAN = {
    "sngan": _Studio(64, 128, spectral=False),
    "sagan": _Studio(64, 128),
    "biggan": _Studio(96, 20, 128),
    "biggan-deep-legacy": _Studio(128, 128, 128, 2, shortcut=False),
    "biggan-deep-studiogan": _Studio(128, 128, 128, 2),
}
_STAGES = {
    32: (4, 4, 4, 4),
    64: (16, 8, 4, 2, 1),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
}


def studiogan(
    kind: str, resolution: int = 128, seed: int = 0, *, width: int | None = None, classes: int = _CLASSES
) -> Official:
    """Draw a checkpoint of StudioGAN, `kind` being a key of `STUDIOGAN`.

    By default, the width is that of the published configurations for ImageNet. Except in an SNGAN, attention follows
    the 4th stage, or for 32² the second one.
    """
    config = STUDIOGAN[kind]
    draw = _Draw(seed, spectral=config.spectral)
    width = width or config.width
    channels = [multiple * width for multiple in _STAGES[resolution]]
    deep = config.embedding if config.depth else 0
    square = draw.weight("linear0", channels[0] * 16, config.code + deep)
    if config.embedding:
        draw.state["shared.weight"] = draw.normal(classes, config.embedding)
    condition = config.embedding + config.code if config.embedding else classes
    index = 0
    for stage, (inputs, outputs) in enumerate(pairwise(channels), 1):
        for narrow in [inputs] * (config.depth - 1) + [outputs]:
            square = _studio_block(draw, f"blocks.{index}.0", (inputs, narrow, condition), config, square)
            index += 1
        if kind != "sngan" and stage == (2 if resolution == 32 else 4):
            names = [f"conv1x1_{name}" for name in ("theta", "phi", "g", "attn")]
            draw.attention(f"blocks.{index}.0", outputs, names, "sigma")
            index += 1
    draw.plain("bn4", channels[-1])
    _running(draw, "bn4", channels[-1], square)
    draw.weight("conv2d5", 3, channels[-1], 3, 3)
    return Official({"state_dict": draw.state, "optimizer": {"state": {}, "param_groups": []}})


def _studio_block(draw: _Draw, key: str, sizes: tuple[int, int, int], config: _Studio, square: float) -> float:
    """Draw one block of so many inputs, outputs and numbers of the condition; return its output's mean square."""
    inputs, outputs, condition = sizes
    shapes = _deep(inputs, outputs) if config.depth else [(outputs, inputs, 3, 3), (outputs, outputs, 3, 3)]
    short = square * draw.weight(f"{key}.conv2d0", outputs, inputs, 1, 1) if config.shortcut else square
    for index, shape in enumerate(shapes, 1):
        norm = f"{key}.bn{index}"
        _running(draw, f"{norm}.bn", shape[1], square)
        left = draw.conditional([f"{norm}.gain", f"{norm}.bias"], shape[1], condition)
        square = left * draw.weight(f"{key}.conv2d{index}", *shape)
    return short + square


def _running(draw: _Draw, key: str, channels: int, square: float) -> None:
    draw.statistics(f"{key}.running_mean", f"{key}.running_var", (channels,), square)
    draw.state[f"{key}.num_batches_tracked"] = torch.tensor(1)


# FastGAN: channels of a map by its side, for one channel of 128 x 128 pixels; numbers of a code.
_FASTGAN_CHANNELS = {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1, 256: 0.5, 512: 0.25, 1024: 0.125}
_FASTGAN_DIM = 256


def fastgan(side: int = 1024, seed: int = 0) -> Official:
    """Make a FastGAN of 256², 512² or 1024², 64 channels at 128 x 128 pixels, as its training saves it."""
    draw = _Draw(seed, spectral=True)
    channels = {size: int(64 * share) for size, share in _FASTGAN_CHANNELS.items() if size <= side}
    square = draw.weight("init.init.0", 2 * channels[4], _FASTGAN_DIM, 4, 4, bias=False)
    draw.state["init.init.0.weight_orig"] = draw.state["init.init.0.weight_orig"].transpose(0, 1).contiguous()
    _fastgan_norm(draw, "init.init.1", 2 * channels[4], square)
    for size in list(channels)[1:]:
        inputs, outputs = channels[size // 2], channels[size]
        noisy = size.bit_length() % 2 == 0  # 8, 32, 128 and 512
        for conv, noise, norm in ((1, 2, 3), (5, 6, 7)) if noisy else ((1, None, 2),):
            square = draw.weight(f"feat_{size}.{conv}", 2 * outputs, inputs, 3, 3, bias=False)
            if noise is not None:
                draw.state[f"feat_{size}.{noise}.weight"] = torch.zeros(1)
            _fastgan_norm(draw, f"feat_{size}.{norm}", 2 * outputs, square / 4)
            inputs = outputs
        if 64 <= size <= 512:
            draw.weight(f"se_{size}.main.1", outputs, channels[size // 16], 4, 4, bias=False)
            draw.weight(f"se_{size}.main.3", outputs, outputs, 1, 1, bias=False)
    draw.weight("to_128", 3, channels[128], 1, 1, bias=False)
    draw.weight("to_big", 3, channels[side], 3, 3, bias=False)
    return Official({"g": draw.state})


def _fastgan_norm(draw: _Draw, key: str, channels: int, square: float) -> None:
    draw.plain(key, channels)
    draw.statistics(f"{key}.running_mean", f"{key}.running_var", (channels,), square)


# lightweight-gan: numbers of a code; the most channels of a map; and those of 1 x 1 pixel, if there were no bound.
_LIGHTWEIGHT_DIM, _LIGHTWEIGHT_MOST, _LIGHTWEIGHT_FIRST = 256, 512, 12


def lightweight_gan(side: int = 256, seed: int = 0) -> Official:
    """Make a network of the package lightweight-gan 1.2.1 with its own settings, as its training saves it."""
    draw = _Draw(seed, spectral=False)
    levels = side.bit_length() - 3
    bounded = [min(2 ** (_LIGHTWEIGHT_FIRST - n), _LIGHTWEIGHT_MOST) for n in range(2, levels + 2)]
    channels = [_LIGHTWEIGHT_DIM, *bounded[:6], *[3] * len(bounded[6:])]
    square = draw.weight("initial_conv.0", 2 * _LIGHTWEIGHT_DIM, _LIGHTWEIGHT_DIM, 4, 4)
    draw.state["initial_conv.0.weight"] = draw.state["initial_conv.0.weight"].transpose(0, 1).contiguous()
    _fastgan_norm(draw, "initial_conv.1", 2 * _LIGHTWEIGHT_DIM, square)
    for index, (inputs, outputs) in enumerate(pairwise(channels)):
        key = f"layers.{index}"
        draw.weight(f"{key}.0.0.net.0", 4 * inputs, inputs, 1, 1)
        square = draw.weight(f"{key}.0.2.1", 2 * outputs, inputs, 4, 4)
        draw.state[f"{key}.0.3.weight"] = torch.zeros(1)
        _fastgan_norm(draw, f"{key}.0.4", 2 * outputs, square / 4)
        if 1 <= index <= 4 and index + 3 < levels:  # excites the map three levels later
            excited = channels[index + 4]
            draw.weight(f"{key}.1.to_k", 1, outputs, 1, 1)
            draw.weight(f"{key}.1.net.0", max(3, excited // 2), outputs, 1, 1)
            draw.weight(f"{key}.1.net.2", excited, max(3, excited // 2), 1, 1)
    draw.weight("out_conv", 3, channels[-1], 3, 3)
    return Official({"GAN": {f"GE.{name}": tensor for name, tensor in draw.state.items()}, "version": "1.2.1"})


# StyleSwin of 256 x 256 pixels: channels of its maps, from 4 x 4 pixels on; numbers of a row of w.
_STYLESWIN_CHANNELS = (512, 512, 512, 512, 512, 256, 128)
_STYLESWIN_DIM = 512


def styleswin(seed: int = 0) -> Official:
    """Make a StyleSwin of 256 x 256 pixels, as its training saves the average."""
    draw = _Draw(seed, spectral=False)
    for index in range(1, 9):
        draw.state[f"style.{index}.weight"] = 100 * draw.normal(_STYLESWIN_DIM, _STYLESWIN_DIM)
        draw.state[f"style.{index}.bias"] = torch.zeros(_STYLESWIN_DIM)
    draw.state["input.input"] = draw.normal(1, _STYLESWIN_CHANNELS[0], 4, 4)
    for level, channels in enumerate(_STYLESWIN_CHANNELS):
        for number in (0, 1):
            _styleswin_block(draw, f"layers.{level}.blocks.{number}", channels, min(4 << level, 8))
        following = _STYLESWIN_CHANNELS[min(level + 1, len(_STYLESWIN_CHANNELS) - 1)]
        if level < len(_STYLESWIN_CHANNELS) - 1:
            key = f"layers.{level}.upsample"
            draw.plain(f"{key}.norm", channels)
            draw.weight(f"{key}.reduction", following, channels, bias=False)
            draw.state[f"{key}.alpha"] = 0.1 * draw.normal(1)
        draw.weight(f"to_rgbs.{level}.conv", 3, following, 1, 1)
        draw.state[f"to_rgbs.{level}.bias"] = torch.zeros(1, 3, 1, 1)
    return Official({"g_ema": draw.state})


def _styleswin_block(draw: _Draw, key: str, channels: int, window: int) -> None:
    for number in (1, 2):
        styles = draw.normal(2 * channels, _STYLESWIN_DIM) * 0.3
        draw.state[f"{key}.norm{number}.style.weight"] = styles
        draw.state[f"{key}.norm{number}.style.bias"] = torch.cat([torch.ones(channels), torch.zeros(channels)])
    for half in (0, 1):
        table = draw.normal((2 * window - 1) ** 2, max(channels // 32, 4) // 2)
        draw.state[f"{key}.attn.{half}.relative_position_bias_table"] = 0.1 * table
    for layer, outputs, inputs in (("qkv", 3, 1), ("proj", 1, 1), ("mlp.fc1", 4, 1), ("mlp.fc2", 1, 4)):
        draw.weight(f"{key}.{layer}", outputs * channels, inputs * channels)
