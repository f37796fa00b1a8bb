"""The public file format of BigGAN generators, brought to the keys of `network.Generator`."""

import re
from collections.abc import Mapping
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from zoo import CheckpointError, Layout, State
from zoo_adapters.biggan.network import Generator

_EPSILON = 1e-6
_LAST_EPSILON = 1e-5
"""What the last normalisation adds to the variance, whatever the blocks' ones do."""
_ATTENTION = {"theta": "query", "phi": "key", "g": "value", "o": "output"}


class _Converter:
    """Takes tensors of a file by its keys, and gives them back under the canonical ones."""

    def __init__(self, state: State) -> None:
        self.left = {key: tensor for key, tensor in state.items() if not key.endswith(".sv0")}  # a record of training
        self.made: State = {}

    def take(self, key: str) -> Tensor:
        """Take a tensor out. Raises `CheckpointError` when it is missing."""
        if key not in self.left:
            raise CheckpointError(f"the BigGAN file does not fit the network; missing: {key}")
        return self.left.pop(key)

    def weight(self, key: str) -> Tensor:
        """Take a weight, its spectral norm divided out.

        The norm is that of evaluation in the original: one power iteration from the vector that is stored.
        """
        weight, stored = self.take(f"{key}.weight"), self.take(f"{key}.u0")
        matrix = weight.flatten(1)
        right = normalize(stored @ matrix, eps=_EPSILON)
        left = normalize(right @ matrix.T, eps=_EPSILON)
        return weight / (right @ matrix.T @ left.T)

    def move(self, name: str, key: str) -> None:
        """Give a tensor another key."""
        self.made[name] = self.take(key)

    def layer(self, name: str, key: str) -> None:
        """Convert a weight and its bias."""
        self.made[f"{name}.weight"] = self.weight(key)
        self.move(f"{name}.bias", f"{key}.bias")

    def block(self, name: str, key: str) -> None:
        """Convert a residual block."""
        for norm, old in (("norm1", "bn1"), ("norm2", "bn2")):
            self.made[f"{name}.{norm}.gain"] = self.weight(f"{key}.{old}.gain")
            self.made[f"{name}.{norm}.bias"] = self.weight(f"{key}.{old}.bias")
            self.move(f"{name}.{norm}.mean", f"{key}.{old}.stored_mean")
            self.move(f"{name}.{norm}.variance", f"{key}.{old}.stored_var")
        self.made[f"{name}.conv1.weight"] = doubling(self.weight(f"{key}.conv1"))
        self.move(f"{name}.conv1.bias", f"{key}.conv1.bias")
        self.layer(f"{name}.conv2", f"{key}.conv2")
        self.layer(f"{name}.shortcut", f"{key}.conv_sc")


def doubling(weight: Tensor) -> Tensor:
    """Join nearest-neighbour upsampling and a 3x3 convolution (out, in, 3, 3) to one transposed convolution.

    Its weight is (in, out, 4, 4), for stride 2 and padding 1: each of the two pixels that an input becomes adds the
    flipped 3x3 weight, the second one a tap later.
    """
    flipped = weight.flip(2, 3).transpose(0, 1)
    pads = [(left, 1 - left, top, 1 - top) for top in (0, 1) for left in (0, 1)]
    return torch.stack([pad(flipped, around) for around in pads]).sum(dim=0)


def _detect(state: State, meta: Mapping[str, Any]) -> bool:
    """The first dense layer and the first block, each with a vector of its spectral norm."""
    return {"shared.weight", "linear.u0", "blocks.0.0.bn1.gain.u0"} <= state.keys()


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    found = _Converter(state)
    found.move("embed", "shared.weight")
    found.layer("start", "linear")
    config: dict[str, Any] = {}
    for index in range(sum(re.fullmatch(r"blocks\.\d+\.0\.conv1\.weight", key) is not None for key in state)):
        found.block(f"blocks.{index}", f"blocks.{index}.0")
        if f"blocks.{index}.1.gamma" in state:
            config["attends"] = index
            found.move("attention.strength", f"blocks.{index}.1.gamma")
            for old, name in _ATTENTION.items():
                found.made[f"attention.{name}"] = found.weight(f"blocks.{index}.1.{old}")
    gain, bias, mean, variance = (
        found.take(f"output_layer.0.{name}") for name in ("gain", "bias", "stored_mean", "stored_var")
    )
    found.made["scale"] = gain * torch.rsqrt(variance + _LAST_EPSILON)
    found.made["shift"] = bias - mean * found.made["scale"]
    found.layer("colour", "output_layer.2")
    return {**found.made, **{f"({key})": tensor for key, tensor in found.left.items()}}, config


def sized(state: State, attends: int | None, epsilon: float) -> Generator:
    """Build the network of the sizes that a canonical state tells. Raises `CheckpointError` where it cannot."""
    count = sum(re.fullmatch(r"blocks\.\d+\.conv2\.weight", key) is not None for key in state)
    try:
        shapes = [tuple(state[f"blocks.{index}.conv1.weight"].shape) for index in range(count)]
        channels = [shapes[0][0], *(shape[1] for shape in shapes)]
        (classes, embedding), (rows, first) = state["embed"].shape, state["start.weight"].shape
        chunk = state["blocks.0.norm1.gain"].shape[1] - embedding
        return Generator(
            channels,
            isqrt(rows // channels[0]),
            first=first,
            chunk=chunk,
            classes=classes,
            embedding=embedding,
            attends=attends,
            epsilon=epsilon,
        )
    except (KeyError, IndexError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise CheckpointError(f"the shapes of the BigGAN file are those of no network: {error}") from None


LAYOUTS = (Layout("ajbrock", _detect, _convert),)
