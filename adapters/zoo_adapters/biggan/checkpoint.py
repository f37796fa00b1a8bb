"""The public file format of BigGAN generators, brought to the keys of `network.Generator`."""

from collections.abc import Mapping
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from zoo import CheckpointError, Layout, State
from zoo.conversion import Conversion, count, doubling
from zoo_adapters.biggan.network import Generator

_EPSILON = 1e-6
_LAST_EPSILON = 1e-5
"""What the last normalisation adds to the variance, whatever the blocks' ones do."""
_ATTENTION = {"theta": "query", "phi": "key", "g": "value", "o": "output"}


class _Conversion(Conversion):
    """The conversion of a BigGAN's layers."""

    def __init__(self, state: State) -> None:
        kept = {key: tensor for key, tensor in state.items() if not key.endswith(".sv0")}  # a record of training
        super().__init__(kept, "the BigGAN file")

    def weight(self, key: str) -> Tensor:
        """Take a weight, its spectral norm divided out.

        The norm is that of evaluation in the original: one power iteration from the vector that is stored.
        """
        weight, stored = self.take(f"{key}.weight"), self.take(f"{key}.u0")
        matrix = weight.flatten(1)
        right = normalize(stored @ matrix, eps=_EPSILON)
        left = normalize(right @ matrix.T, eps=_EPSILON)
        return weight / (right @ matrix.T @ left.T)

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


def _detect(state: State, meta: Mapping[str, Any]) -> bool:
    """The first dense layer and the first block, each with a vector of its spectral norm."""
    return {"shared.weight", "linear.u0", "blocks.0.0.bn1.gain.u0"} <= state.keys()


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    found = _Conversion(state)
    found.move("embed", "shared.weight")
    found.layer("start", "linear")
    config: dict[str, Any] = {}
    for index in range(count(state, r"blocks\.\d+\.0\.conv1\.weight")):
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
    return found.finish(), config


def sized(state: State, attends: int | None, epsilon: float) -> Generator:
    """Build the network of the sizes that a canonical state tells. Raises `CheckpointError` where it cannot."""
    blocks = count(state, r"blocks\.\d+\.conv2\.weight")
    try:
        shapes = [tuple(state[f"blocks.{index}.conv1.weight"].shape) for index in range(blocks)]
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
