"""Helpers for `Layout.convert`: they rename and rescale a file's tensors to the canonical keys of zoo's network."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, sqrt

import torch
from torch import Tensor
from torch.nn.functional import pad

from zoo.core.adapter import State
from zoo.errors import CheckpointError


def fold_upsample_into_conv(weight: Tensor) -> Tensor:
    """Fold nearest-neighbour upsampling into the 3x3 convolution that follows.

    Args:
        weight: the convolution's weight (out, in, 3, 3), padding 1.

    Returns:
        The weight (in, out, 4, 4) of the transposed convolution of stride 2 and padding 1 that does the same.
    """
    # Each input pixel is repeated to 2x2 pixels. Each of them adds the flipped 3x3 kernel to the output, at offsets
    # (0, 0), (0, 1), (1, 0) and (1, 1): in all, a kernel of 4x4 taps.
    flipped = weight.flip(2, 3).transpose(0, 1)
    height, width = flipped.shape[2:]
    folded = pad(flipped, (0, 1, 0, 1))
    for top, left in ((0, 1), (1, 0), (1, 1)):
        folded[..., top : top + height, left : left + width] += flipped
    return folded


def check_filter(key: str, tensor: Tensor, taps: Sequence[float]) -> None:
    """Require that a resampling filter of a file is the supported one, up to a factor.

    Args:
        key: the filter's key, for the message.
        tensor: the filter (t, t), or (…, t, t) for several channels.
        taps: the supported filter's t taps, along both axes.

    Raises:
        CheckpointError: for any other filter.
    """
    row = torch.tensor(taps)
    supported = torch.outer(row, row) / row.sum() ** 2
    if tensor.numel() and tensor.numel() % supported.numel() == 0:
        filters = tensor.float().reshape(-1, *supported.shape)
        if torch.allclose(filters / filters.sum(dim=(1, 2), keepdim=True), supported, atol=1e-5):
            return
    listed = ", ".join(f"{tap:g}" for tap in taps)
    raise CheckpointError(f"{key} is not the filter {listed}: only networks that resample with it can be opened")


class StateDictConverter:
    """The conversion of one file's tensors.

    `assign` and `linear` move tensors from `remaining` to `converted`, and `set_linear` only stores. As in an
    assignment, the canonical name is the first argument, and the key in the file the second.

    Args:
        state: the tensors of one network in the file.
        owner: the file's name in messages, such as "the StyleGAN2 file".

    Attributes:
        remaining: the file's tensors that have not been converted yet, by their keys in the file.
        converted: the canonical state so far.
        owner: the file's name in messages.
    """

    def __init__(self, state: State, owner: str) -> None:
        self.remaining = dict(state)
        self.converted: State = {}
        self.owner = owner

    def pop(self, key: str) -> Tensor:
        """Remove a tensor from `remaining`.

        Args:
            key: its key in the file.

        Returns:
            The tensor.

        Raises:
            CheckpointError: if it is missing.
        """
        if key not in self.remaining:
            rest = ", ".join(list(self.remaining)[:4]) or "nothing"
            raise CheckpointError(f"{self.owner} does not fit the network; missing: {key}; not yet read: {rest}")
        return self.remaining.pop(key)

    def pop_number(self, key: str, default: float) -> float:
        """Remove a tensor that holds a single number from `remaining`.

        Args:
            key: its key in the file.
            default: the number where there is no such key.

        Returns:
            The number.

        Raises:
            CheckpointError: if the tensor is not a single finite number.
        """
        tensor = self.remaining.pop(key, torch.tensor(default))
        if tensor.numel() != 1 or not isfinite(tensor.item()):
            raise CheckpointError(f"{self.owner} is damaged: {key} is not a finite number")
        return float(tensor.item())

    def assign(self, name: str, key: str, *, optional: bool = False) -> None:
        """Convert a tensor that only changes its key.

        Args:
            name: the canonical key.
            key: the key in the file.
            optional: whether files may lack the tensor, so that nothing is stored.

        Raises:
            CheckpointError: if the tensor is missing.
        """
        if key in self.remaining or not optional:
            self.converted[name] = self.pop(key)

    def linear(self, name: str, key: str, **scales: float) -> None:
        """Convert a fully connected layer.

        Args:
            name: the layer's canonical name.
            key: its key in the file, under which are ``weight`` (out, in) and ``bias`` (out,).
            **scales: as `set_linear` takes them.

        Raises:
            CheckpointError: if a tensor is missing.
        """
        self.set_linear(name, self.pop(f"{key}.weight"), self.pop(f"{key}.bias"), **scales)

    def set_linear(
        self,
        name: str,
        weight: Tensor,
        bias: Tensor,
        *,
        gain: float = 1.0,
        lr_multiplier: float = 1.0,
        bias_offset: float = 0.0,
    ) -> None:
        """Set a fully connected layer of equalised learning rate (Karras et al., ICLR 2018, section 4.1).

        Such networks multiply the stored weight by gain · lr_multiplier / √in, and the bias by gain · lr_multiplier,
        whenever they run. Here the factors are folded into both.

        Args:
            name: the layer's canonical name.
            weight: (out, in), as stored.
            bias: (out,), as stored.
            gain: the gain of the activation that follows.
            lr_multiplier: the layer's learning-rate multiplier.
            bias_offset: what is added to the bias.
        """
        self.converted[f"{name}.weight"] = weight * (gain * lr_multiplier / sqrt(weight.shape[1]))
        self.converted[f"{name}.bias"] = bias * (gain * lr_multiplier) + bias_offset

    def finish(self) -> State:
        """Return the canonical state.

        Tensors that nothing converted stay in it, under their keys in the file in brackets.
        `zoo.checkpoints.loading.require_fit` lists them as left over when the network is built.

        Returns:
            The canonical state.
        """
        return {**self.converted, **{f"({key})": tensor for key, tensor in self.remaining.items()}}
