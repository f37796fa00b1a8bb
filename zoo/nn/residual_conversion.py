"""Converting the files of residual generators to the keys of `zoo.nn.ResidualGenerator`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from zoo.checkpoints.conversion import StateDictConverter, fold_upsample_into_conv
from zoo.errors import CheckpointError


class ResidualConverter(StateDictConverter, ABC):
    """The conversion of a file to the keys of `zoo.nn.ResidualGenerator`; families define `norm`.

    Spectral norms are divided out as torch's `spectral_norm` does in evaluation: by uᵀWv with the vectors stored.
    """

    def peek(self, key: str) -> Tensor:
        """Return a tensor and leave it. Raises `CheckpointError` when it is missing."""
        return self.left[key] if key in self.left else self.take(key)

    def weight(self, key: str) -> Tensor:
        """Take a weight, its spectral norm divided out if it has one. Raises `CheckpointError`."""
        if f"{key}.weight_orig" not in self.left:
            return self.take(f"{key}.weight")
        weight, left, right = (self.take(f"{key}.weight_{name}") for name in ("orig", "u", "v"))
        with self.fitting(key):
            return weight / torch.dot(left, weight.flatten(1) @ right)

    @contextmanager
    def fitting(self, key: str) -> Iterator[None]:
        """Tell shapes that do not fit together inside. Raises `CheckpointError` that names `key`."""
        try:
            yield
        except (RuntimeError, ValueError, IndexError):
            raise CheckpointError(
                f"{self.owner} does not fit the network; {key} has parts that do not fit each other"
            ) from None

    def layer(self, name: str, key: str, *, upsample: bool = False) -> None:
        """Convert a weight and its bias; a 3x3 convolution that `upsample` becomes a transposed one."""
        weight = self.weight(key)
        with self.fitting(key):
            self.made[f"{name}.weight"] = fold_upsample_into_conv(weight) if upsample else weight
        self.move(f"{name}.bias", f"{key}.bias")

    @abstractmethod
    def norm(self, name: str, key: str) -> None:
        """Convert a normalisation that a block has, by `set_norm`."""

    def set_norm(self, name: str, mean: Tensor, variance: Tensor, **affine: Tensor) -> None:
        """Set a normalisation; without a `scale` and a `shift` of its own they are 1 and 0."""
        channels = mean.shape[-1:]
        parts = {"scale": torch.ones(channels), "shift": torch.zeros(channels), **affine}
        for part, tensor in {**parts, "mean": mean, "variance": variance}.items():
            self.made[f"{name}.{part}"] = tensor

    def block(self, name: str, key: str, parts: Mapping[str, str], *, upsample: bool = True) -> None:
        """Convert a block; `parts` are the file's names of its parts, by the canonical ones."""
        for part, old in parts.items():
            if "norm" in part:
                self.norm(f"{name}.{part}", f"{key}.{old}")
            else:
                self.layer(f"{name}.{part}", f"{key}.{old}", upsample=upsample and part == "conv1")

    def followed(self, modules: Iterable[str], strength: str) -> list[tuple[str, str | None]]:
        """Pair the blocks among a file's modules with the attention, which has a `strength`, that follows each, if any.

        Attention that follows no block is left, to be told.
        """
        pairs: list[tuple[str, str | None]] = []
        for key in modules:
            if f"{key}.{strength}" not in self.left:
                pairs.append((key, None))
            elif pairs and pairs[-1][1] is None:
                pairs[-1] = pairs[-1][0], key
        return pairs

    def attention(self, name: str, key: str, parts: Mapping[str, str], strength: str) -> None:
        """Convert self-attention, whose weights have no bias."""
        for part, old in parts.items():
            self.made[f"{name}.{part}"] = self.weight(f"{key}.{old}")
        self.made[f"{name}.strength"] = self.take(f"{key}.{strength}").squeeze()
