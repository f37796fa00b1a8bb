"""Latent spaces and the codes that live in them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from zoo.errors import CodesError, LayersError
from zoo.files import whole_file

BROKEN = (
    *(OSError, SafetensorError, ValueError, TypeError, KeyError, EOFError, OverflowError, MemoryError, RecursionError),
    *(SyntaxError, TokenError),
)
"""Everything that numpy, safetensors and json raise on files that are broken or hostile."""

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class LatentSpace:
    """A space that codes live in: `dim` numbers, in `layers` rows (w and w+ are one space with a row per layer)."""

    name: str
    dim: int
    layers: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one code: (dim,) or (layers, dim)."""
        return (self.dim,) if self.layers == 1 else (self.layers, self.dim)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, as files keep them."""
        return {"name": self.name, "dim": self.dim, "layers": self.layers}

    def __str__(self) -> str:
        return f"{self.name} ({' x '.join(map(str, self.shape))})"


@dataclass(frozen=True, eq=False)
class Codes:
    """A batch of latent codes.

    `latents` (n, dim), or (n, layers, dim) where the space has layers; `labels` (n,) class indices of a conditional
    model; `truncation` as drawn, already applied to `latents` (kept for networks whose forward pass reads it).
    Raises `CodesError` when the shapes do not fit together.
    """

    latents: Tensor
    labels: Tensor | None = None
    truncation: float | None = None

    def __post_init__(self) -> None:
        if self.latents.ndim not in {2, 3}:
            raise CodesError(f"codes have shape (n, dim) or (n, layers, dim), not {tuple(self.latents.shape)}")
        if self.labels is not None and tuple(self.labels.shape) != (len(self),):
            raise CodesError(f"{len(self)} codes need ({len(self)},) labels, not {tuple(self.labels.shape)}")

    def __len__(self) -> int:
        return int(self.latents.shape[0])

    def __getitem__(self, index: int | slice) -> Codes:
        """Take some codes; an integer gives a batch of one."""
        if isinstance(index, int):
            if not -len(self) <= index < len(self):
                raise IndexError(f"code {index} of {len(self)}")
            index %= len(self)
            index = slice(index, index + 1)
        return replace(self, latents=self.latents[index], labels=None if self.labels is None else self.labels[index])

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Codes:
        """Move the latents to a device and type, the labels to the device."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, latents=self.latents.to(device, dtype), labels=labels)

    def repeat(self, times: int) -> Codes:
        """Repeat the whole batch `times` times: (c1, c2) becomes (c1, c2, c1, c2, …)."""
        latents = self.latents.repeat(times, *(1 for _ in self.latents.shape[1:]))
        return replace(self, latents=latents, labels=None if self.labels is None else self.labels.repeat(times))


def join(parts: Sequence[Codes]) -> Codes:
    """Put batches one after another; they must agree on labels and truncation."""
    labels = [part.labels for part in parts if part.labels is not None]
    return replace(
        parts[0],
        latents=torch.cat([part.latents for part in parts]),
        labels=torch.cat(labels) if labels else None,
    )


def draw_normal(count: int, dim: int, generator: torch.Generator) -> Tensor:
    """Draw (count, dim) standard normal float32 numbers on the CPU, code by code.

    The first codes of a seed are therefore the same whatever the count, the device and the network's type.
    """
    return torch.stack([torch.randn(dim, generator=generator) for _ in range(count)])


def check_codes(codes: Codes, space: LatentSpace, classes: int, origin: str) -> None:
    """Raise `CodesError` unless codes fit a space and a number of classes, and are finite; `origin` names them."""
    if tuple(codes.latents.shape[1:]) != space.shape:
        found = " x ".join(str(size) for size in codes.latents.shape[1:])
        raise CodesError(f"{origin} holds codes of {found} numbers, but the space is {space}")
    if len(codes) == 0:
        raise CodesError(f"{origin} holds no code")
    if not bool(torch.isfinite(codes.latents).all()):
        raise CodesError(f"{origin} holds numbers that are not finite")
    if classes and codes.labels is None:
        raise CodesError(f"{origin} holds no labels, but the model is conditional: pass --label")
    if codes.labels is not None:
        if not classes:
            raise CodesError(f"{origin} holds labels, but the model takes none")
        if int(codes.labels.min()) < 0 or int(codes.labels.max()) >= classes:
            raise CodesError(f"{origin} holds labels outside of 0 to {classes - 1}")


def save_codes(path: Path, codes: Codes, card: Mapping[str, Any]) -> None:
    """Write codes as one safetensors file: `latents`, `labels` if any, and a JSON card in the metadata.

    Raises `OutputError`.
    """
    tensors = {"latents": codes.latents.detach().cpu().contiguous()}
    if codes.labels is not None:
        tensors["labels"] = codes.labels.cpu().contiguous()
    text = json.dumps({"format": "zoo-codes/1", "truncation": codes.truncation, **card}, allow_nan=False)
    with whole_file(path) as partial:
        partial.write_bytes(to_bytes(tensors, metadata={"card": text}))


def load_codes(path: Path) -> tuple[Codes, dict[str, Any]]:
    """Read codes from safetensors (see `save_codes`) or from an ``.npy`` array of latents; return them and their card.

    Raises `CodesError` for a file that is missing, broken, or holds anything else.
    """
    try:
        if path.suffix == ".npy":
            return _codes(path, _array(path), None, None), {}
        with safe_open(path, framework="pt") as file:
            card = json.loads((file.metadata() or {}).get("card", "{}"))
            keys = set(file.keys())
            if "latents" not in keys:
                raise CodesError(f"{path} holds no tensor 'latents'; it has {', '.join(sorted(keys)) or 'none'}")
            latents = file.get_tensor("latents").clone()
            labels = file.get_tensor("labels").clone() if "labels" in keys else None
    except BROKEN as error:
        raise CodesError(f"cannot read codes from {path}: {cause(error)}") from None
    if not isinstance(card, dict):
        raise CodesError(f"cannot read codes from {path}: its card is not a JSON object")
    if latents.dtype not in _FLOATS or (labels is not None and labels.dtype != torch.int64):
        raise CodesError(f"{path}: latents must be floating point numbers, and labels int64")
    truncation = card.get("truncation")
    if truncation is not None and not (isinstance(truncation, int | float) and 0 < truncation <= 1):
        raise CodesError(f"{path}: the truncation of its card is not above 0 and at most 1")
    return _codes(path, latents, labels, truncation), card


def _codes(path: Path, latents: Tensor, labels: Tensor | None, truncation: float | None) -> Codes:
    try:
        return Codes(latents, labels, truncation)
    except CodesError as error:
        raise CodesError(f"{path}: {error}") from None


def parse_layers(text: str, count: int) -> tuple[int, ...]:
    """Read a layer range as the papers write it, ``4-7`` or ``0,2,5-6``; ends are included.

    Raises `LayersError` for anything else, and for layers at or above `count`.
    """
    layers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*", part)
        if not match:
            raise LayersError(f"--layers {text}: write layers as 4-7 or 0,2,5-6")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last >= count:
            raise LayersError(f"--layers {text}: {part.strip()} is not within the layers there are, 0-{count - 1}")
        layers.update(range(first, last + 1))
    return tuple(sorted(layers))


def _array(path: Path) -> Tensor:
    array = np.load(path, allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise CodesError(f"{path} holds no array of floating point numbers")
    return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("=")))


def cause(error: Exception) -> str:
    """Say in a few words why a file could not be read."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return " ".join(str(error).split()) or type(error).__name__
