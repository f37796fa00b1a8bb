"""Files of the published sizes with random weights, under the keys and in the containers of their authors.

from benchmarks.official import biggan_deep, studiogan

biggan_deep(128).save(path)
model = zoo.load(path)

Weights are scaled so that pictures are not saturated: stored vectors are those of the spectral norm, and stored
statistics about those that the layers have.
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
    """What a published file holds, as `torch.save` writes it, and the name of the container."""

    content: dict[str, Any]
    container: str = "torch zip"

    @property
    def state(self) -> dict[str, Tensor]:
        """The state dict in it."""
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
        """Draw what reads the condition, of mean square 1; return the mean square of what ReLU leaves then."""
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

    def attention(self, key: str, channels: int, names: Sequence[str], strength: str) -> None:
        """Draw self-attention: what makes query, key, value and output."""
        shapes = [(channels // 8, channels), (channels // 8, channels), (channels // 2, channels)]
        for name, (rows, columns) in zip(names, [*shapes, (channels, channels // 2)], strict=True):
            self.weight(f"{key}.{name}", rows, columns, 1, 1, bias=False)
        self.state[f"{key}.{strength}"] = torch.tensor([0.5])


# BigGAN-deep of huggingface/pytorch-pretrained-BigGAN

_LAYERS = {
    128: ((16, 16), (16, 16), (16, 16), (16, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1)),
    256: ((16, 16), (16, 16), (16, 16), (16, 8), (8, 8), (8, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1)),
}
_LAYERS[512] = (*_LAYERS[256], (1, 1), (1, 1))
_ATTENTION_AT, _CODE = 8, 128


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
    """Give the shapes of a bottleneck's convolutions."""
    inner = inputs // 4
    return [(inner, inputs, 1, 1), (inner, inner, 3, 3), (inner, inner, 3, 3), (outputs, inner, 1, 1)]


# PyTorch-StudioGAN


@dataclass(frozen=True)
class _Studio:
    """A configuration of ImageNet: the narrowest map's channels, the code, the embedding, blocks a stage."""

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
    """Draw a checkpoint of StudioGAN, `kind` one of `STUDIOGAN`; attention, but in an SNGAN, follows the 4th stage.

    The width is that of the published configurations for ImageNet unless told otherwise. 32² has attention after the
    second stage.
    """
    plan = STUDIOGAN[kind]
    draw, width = _Draw(seed, spectral=plan.spectral), width or plan.width
    channels = [multiple * width for multiple in _STAGES[resolution]]
    deep = plan.embedding if plan.depth else 0
    square = draw.weight("linear0", channels[0] * 16, plan.code + deep)
    if plan.embedding:
        draw.state["shared.weight"] = draw.normal(classes, plan.embedding)
    condition, index = plan.embedding + plan.code if plan.embedding else classes, 0
    for stage, (inputs, outputs) in enumerate(pairwise(channels), 1):
        for narrow in [inputs] * (plan.depth - 1) + [outputs]:
            square = _studio_block(draw, f"blocks.{index}.0", (inputs, narrow, condition), plan, square)
            index += 1
        if kind != "sngan" and stage == (2 if resolution == 32 else 4):
            names = [f"conv1x1_{name}" for name in ("theta", "phi", "g", "attn")]
            draw.attention(f"blocks.{index}.0", outputs, names, "sigma")
            index += 1
    draw.plain("bn4", channels[-1])
    _running(draw, "bn4", channels[-1], square)
    draw.weight("conv2d5", 3, channels[-1], 3, 3)
    return Official({"state_dict": draw.state, "optimizer": {"state": {}, "param_groups": []}})


def _studio_block(draw: _Draw, key: str, sizes: tuple[int, int, int], plan: _Studio, square: float) -> float:
    """Draw one block of so many inputs, outputs and numbers of the condition; return its output's mean square."""
    inputs, outputs, condition = sizes
    shapes = _deep(inputs, outputs) if plan.depth else [(outputs, inputs, 3, 3), (outputs, outputs, 3, 3)]
    short = square * draw.weight(f"{key}.conv2d0", outputs, inputs, 1, 1) if plan.shortcut else square
    for index, shape in enumerate(shapes, 1):
        norm = f"{key}.bn{index}"
        _running(draw, f"{norm}.bn", shape[1], square)
        left = draw.conditional([f"{norm}.gain", f"{norm}.bias"], shape[1], condition)
        square = left * draw.weight(f"{key}.conv2d{index}", *shape)
    return short + square


def _running(draw: _Draw, key: str, channels: int, square: float) -> None:
    draw.statistics(f"{key}.running_mean", f"{key}.running_var", (channels,), square)
    draw.state[f"{key}.num_batches_tracked"] = torch.tensor(1)
