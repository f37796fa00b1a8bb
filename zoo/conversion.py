"""Converting public file formats: taking tensors of a file by its keys, and giving them back under canonical ones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import sqrt

import torch
from torch import Tensor
from torch.nn.functional import pad

from zoo.checkpoint import State
from zoo.errors import CheckpointError


def section(state: State, mark: str, prefixes: Iterable[str]) -> State | None:
    """Return the tensors of the first network in a file that has the key `mark`, its prefix cut off; None for none."""
    for prefix in prefixes:
        if prefix + mark in state:
            return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
    return None


def count(state: State, pattern: str) -> int:
    """Count the keys that a regular expression matches as a whole."""
    return sum(re.fullmatch(pattern, key) is not None for key in state)


def doubling(weight: Tensor) -> Tensor:
    """Join nearest-neighbour upsampling and a 3x3 convolution (out, in, 3, 3) to one transposed convolution.

    Its weight is (in, out, 4, 4), for stride 2 and padding 1: each of the two pixels that an input becomes adds the
    flipped 3x3 weight, the second one a tap later.
    """
    flipped = weight.flip(2, 3).transpose(0, 1)
    pads = [(left, 1 - left, top, 1 - top) for top in (0, 1) for left in (0, 1)]
    return torch.stack([pad(flipped, around) for around in pads]).sum(dim=0)


class Conversion:
    """One file's conversion: `left` are its tensors not yet taken, `made` those of the canonical state.

    `owner` names the file in messages, such as "the StyleGAN2 file".
    """

    def __init__(self, state: State, owner: str) -> None:
        self.left, self.made = dict(state), State()
        self.owner = owner

    def take(self, key: str) -> Tensor:
        """Take a tensor out. Raises `CheckpointError` when it is missing."""
        if key not in self.left:
            rest = ", ".join(list(self.left)[:4]) or "nothing"
            raise CheckpointError(f"{self.owner} does not fit the network; missing: {key}; not yet read: {rest}")
        return self.left.pop(key)

    def move(self, name: str, key: str) -> None:
        """Give a tensor another key."""
        self.made[name] = self.take(key)

    def dense(self, name: str, key: str, *, gain: float = 1.0, rate: float = 1.0, shift: float = 0.0) -> None:
        """Convert a fully connected layer of equalised learning rate (out, in), learned at `rate`; add `shift` to bias.

        The runtime factor of the weight is gain · rate / √in, of the bias gain · rate (Karras et al., ICLR 2018, 4.1).
        """
        weight = self.take(f"{key}.weight")
        self.made[f"{name}.weight"] = weight * (gain * rate / sqrt(weight.shape[1]))
        self.made[f"{name}.bias"] = self.take(f"{key}.bias") * (gain * rate) + shift

    def finish(self) -> State:
        """Return the canonical state; what is left over stays in it, in brackets, to be told by `fill_module`."""
        return {**self.made, **{f"({key})": tensor for key, tensor in self.left.items()}}
