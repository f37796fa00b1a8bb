"""Converting public file formats: taking tensors of a file by its keys, and giving them back under canonical ones."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite, sqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from zoo.core.adapter import State
from zoo.errors import CheckpointError

TENSORFLOW_PREFIXES = ("Gs.", "G.", "")
"""The prefixes of networks in a file of TensorFlow's time, the averaged one first."""


def find_prefix(state: State, mark: str, prefixes: Iterable[str]) -> str | None:
    """Return the prefix of the first network in a file that has the key `mark`; None for none."""
    return next((prefix for prefix in prefixes if prefix + mark in state), None)


def network_state(state: State, mark: str, prefixes: Iterable[str]) -> State | None:
    """Return the tensors of the first network in a file that has the key `mark`, its prefix cut off; None for none."""
    prefix = find_prefix(state, mark, prefixes)
    if prefix is None:
        return None
    return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}


def detect_by_keys(mark: str, prefixes: Iterable[str], *more: str) -> Callable[[State, Mapping[str, Any]], bool]:
    """Make the `detect` of a layout that is told by one key, and by `more` beside it in the same network."""

    def detect(state: State, meta: Mapping[str, Any]) -> bool:
        prefix = find_prefix(state, mark, prefixes)
        return prefix is not None and all(prefix + key in state for key in more)

    return detect


def collect_settings(meta: Mapping[str, Any], places: Iterable[str]) -> dict[str, Any]:
    """Gather the values that came beside the tensors under some prefixes, without them; the first place counts."""
    found: dict[str, Any] = {}
    for place in places:
        for key, value in meta.items():
            if key.startswith(place):
                found.setdefault(key.removeprefix(place), value)
    return found


def tensorflow_settings(meta: Mapping[str, Any], prefix: str | None) -> dict[str, Any]:
    """Gather the arguments that a network of TensorFlow's time was made with, and its mapping and synthesis."""
    parts = ("", "components.mapping.", "components.synthesis.")
    return collect_settings(meta, [f"{prefix}{part}static_kwargs." for part in parts])


def require_settings(found: Mapping[str, Any], usual: Mapping[str, Any], owner: str) -> None:
    """Raise `CheckpointError` for a setting that is not as usual; those that the file does not tell are.

    `owner` names the file in messages, such as "the StyleGAN2 file".
    """
    for name, value in usual.items():
        if found.get(name, value) != value:
            raise CheckpointError(
                f"{owner} was made with {name} {found[name]!r}, which is not supported: only {value!r} is"
            )


def count_keys(state: State, pattern: str) -> int:
    """Count the keys that a regular expression matches as a whole."""
    return sum(re.fullmatch(pattern, key) is not None for key in state)


def count_numbered(state: State, template: str, *, first: int = 0) -> int:
    """Count the keys that a template such as ``blocks.{}.weight`` gives for `first` and the numbers after it."""
    return next(number for number in itertools.count() if template.format(first + number) not in state)


def fold_upsample_into_conv(weight: Tensor) -> Tensor:
    """Join nearest-neighbour upsampling and a 3x3 convolution (out, in, 3, 3) to one transposed convolution.

    Its weight is (in, out, 4, 4), for stride 2 and padding 1: each of the two pixels that an input becomes adds the
    flipped 3x3 weight, the second one a tap later.
    """
    flipped = weight.flip(2, 3).transpose(0, 1)
    height, width = flipped.shape[2:]
    joined = pad(flipped, (0, 1, 0, 1))
    for top, left in ((0, 1), (1, 0), (1, 1)):
        joined[..., top : top + height, left : left + width] += flipped
    return joined


def check_filter(key: str, tensor: Tensor, taps: Sequence[float]) -> None:
    """Raise `CheckpointError` unless a filter, or each channel's, is `taps` along both axes, up to a factor."""
    row = torch.tensor(taps)
    wanted = torch.outer(row, row) / row.sum() ** 2
    if tensor.numel() and tensor.numel() % wanted.numel() == 0:
        each = tensor.float().reshape(-1, *wanted.shape)
        if torch.allclose(each / each.sum(dim=(1, 2), keepdim=True), wanted, atol=1e-5):
            return
    told = ", ".join(f"{tap:g}" for tap in taps)
    raise CheckpointError(f"{key} is not the filter {told}: only networks that resample by it can be opened")


class StateDictConverter:
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

    def number(self, key: str, usual: float) -> float:
        """Take a single number out, or give the usual one where there is none. Raises `CheckpointError`."""
        tensor = self.left.pop(key, torch.tensor(usual))
        if tensor.numel() != 1 or not isfinite(tensor.item()):
            raise CheckpointError(f"{self.owner} is damaged: {key} is not a finite number")
        return float(tensor.item())

    def dense(self, name: str, key: str, **how: float) -> None:
        """Convert a fully connected layer, its weight (out, in), as `linear` does."""
        self.linear(name, self.take(f"{key}.weight"), self.take(f"{key}.bias"), **how)

    def linear(
        self, name: str, weight: Tensor, bias: Tensor, *, gain: float = 1.0, rate: float = 1.0, shift: float = 0.0
    ) -> None:
        """Convert a fully connected layer of equalised learning rate (out, in), learned at `rate`; add `shift` to bias.

        The runtime factor of the weight is gain · rate / √in, of the bias gain · rate (Karras et al., ICLR 2018, 4.1).
        """
        self.made[f"{name}.weight"] = weight * (gain * rate / sqrt(weight.shape[1]))
        self.made[f"{name}.bias"] = bias * (gain * rate) + shift

    def finish(self) -> State:
        """Return the canonical state; what is left over stays in it, in brackets, to be told by `require_fit`."""
        return {**self.made, **{f"({key})": tensor for key, tensor in self.left.items()}}
