"""Helpers for `Layout.convert`: they rename and rescale a file's tensors to the canonical keys of zoo's network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite, sqrt
from typing import Any

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


# The keys of weight, u and v, and those of g and v, under which torch stores normalised weights.
_SPECTRAL_KEYS = (
    ("weight_orig", "weight_u", "weight_v"),
    ("parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"),
)
_WEIGHT_NORM_KEYS = (
    ("weight_g", "weight_v"),
    ("parametrizations.weight.original0", "parametrizations.weight.original1"),
)


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
        assumed: settings on which images depend and that the file does not tell, by name, with the assumed values.
        in_doubt: names of assumed settings in which usual networks differ, so that the user is told of them.
    """

    def __init__(self, state: State, owner: str) -> None:
        self.remaining = dict(state)
        self.converted: State = {}
        self.owner = owner
        self.assumed: dict[str, Any] = {}
        self.in_doubt: set[str] = set()

    def setting(self, name: str, said: Any, assumed: Any) -> Any:
        """Take a setting of the network from the file, or assume its value and note that.

        Args:
            name: the option of the architecture that overrides it.
            said: the value in the file; None where it does not tell.
            assumed: the value of published networks.

        Returns:
            The value.
        """
        if said is not None:
            return said
        self.assumed[name] = assumed
        return assumed

    def config(self, **settings: Any) -> dict[str, Any]:
        """Make the config for `Adapter.load`.

        Args:
            **settings: what the adapter needs beside the weights.

        Returns:
            The settings, under ``assumed`` what was assumed, and under ``in_doubt`` the names of what is in doubt.
        """
        noted = {"assumed": self.assumed, "in_doubt": sorted(self.in_doubt)}
        return {**settings, **{name: value for name, value in noted.items() if value}}

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

    def peek(self, key: str) -> Tensor:
        """Return a tensor of the file, and leave it in `remaining`.

        Args:
            key: its key in the file.

        Returns:
            The tensor.

        Raises:
            CheckpointError: if it is missing.
        """
        return self.remaining[key] if key in self.remaining else self.pop(key)

    def effective_weight(self, key: str, *, axis: int = 0) -> Tensor:
        """Remove a weight from `remaining`, with what torch normalises it by in evaluation applied to it.

        Spectral norms are divided out by σ = uᵀ W v with the stored vectors u and v (Miyato et al., ICLR 2018, equation
        8), and weight normalisation is g · v / |v| (Salimans & Kingma, NeurIPS 2016, equation 2), under the keys of
        torch's functions and of its parametrizations.

        Args:
            key: the layer's key in the file, without ``.weight`` and the like.
            axis: the axis of the weight that counts the outputs, which are the rows of the matrix W.

        Returns:
            The effective weight.

        Raises:
            CheckpointError: if a tensor is missing, or the stored vectors do not fit the weight.
        """
        for weight_key, left_key, right_key in _SPECTRAL_KEYS:
            if f"{key}.{weight_key}" in self.remaining:
                weight, left, right = (self.pop(f"{key}.{name}") for name in (weight_key, left_key, right_key))
                with self.fitting(key):
                    return weight / torch.dot(left, weight.movedim(axis, 0).flatten(1) @ right)
        for size_key, direction_key in _WEIGHT_NORM_KEYS:
            if f"{key}.{size_key}" in self.remaining and f"{key}.{direction_key}" in self.remaining:
                size, direction = self.pop(f"{key}.{size_key}"), self.pop(f"{key}.{direction_key}")
                axes = [index for index, count in enumerate(size.shape) if count == 1]
                with self.fitting(key):
                    length: Tensor = torch.linalg.vector_norm(direction, dim=axes, keepdim=True)
                    return direction * (size / length)
        return self.pop(f"{key}.weight")

    @contextmanager
    def fitting(self, key: str) -> Iterator[None]:
        """Turn torch's errors about shapes inside a `with` block into a message about the file.

        Args:
            key: the layer's key in the file, for the message.

        Raises:
            CheckpointError: where shapes inside do not fit each other.
        """
        try:
            yield
        except (RuntimeError, ValueError, IndexError):
            raise CheckpointError(
                f"{self.owner} does not fit the network; the tensors of {key} have shapes that do not fit each other"
            ) from None

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
