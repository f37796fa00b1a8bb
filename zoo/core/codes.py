"""Latent spaces and the codes that live in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo._utils.html_repr import facts_html, plain
from zoo._utils.tensorfile import FLOATS, UnreadableError, read_array, read_tensors, write_tensors
from zoo.errors import CodesError, LayersError

MOST_TRUNCATION = 2.0
"""Truncations lie within 0 (the mean) and this; a family may allow less."""


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

    def _facts(self) -> dict[str, str]:
        facts = {"codes": f"{len(self)} of {' x '.join(map(str, self.latents.shape[1:]))} numbers"}
        if self.labels is not None:
            facts["labels"] = ", ".join(map(str, self.labels.tolist()))
        if self.truncation is not None:
            facts["truncation"] = f"{self.truncation:g}"
        return {**facts, "type": f"{str(self.latents.dtype).removeprefix('torch.')} on {self.latents.device}"}

    def __repr__(self) -> str:
        named = (f"{key} {text}" if key in {"labels", "truncation"} else text for key, text in self._facts().items())
        return f"Codes({plain(', '.join(named))})"

    def _repr_html_(self) -> str:
        """Show a notebook how many codes there are, and of what kind."""
        return facts_html("Codes", self._facts())

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


def join(parts: Sequence[Codes]) -> Codes:
    """Put batches one after another. Raises `CodesError` unless they agree on truncation and on having labels."""
    if len({part.truncation for part in parts}) > 1 or len({part.labels is None for part in parts}) > 1:
        raise CodesError("codes of another truncation, or with and without labels, cannot form one batch")
    labels = [part.labels for part in parts if part.labels is not None]
    return replace(
        parts[0],
        latents=torch.cat([part.latents for part in parts]),
        labels=torch.cat(labels) if labels else None,
    )


def derived_generator(seed: int, what: str) -> torch.Generator:
    """Make a generator for further codes of a seed, for `what`; they are never the codes of a neighbouring seed."""
    digest = hashlib.sha256(f"{what} of seed {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4]))


def draw_normal(count: int, dim: int, generator: torch.Generator) -> Tensor:
    """Draw (count, dim) standard normal float32 numbers on the CPU, code by code.

    The first codes of a seed are therefore the same whatever the count, the device and the network's type.
    """
    return torch.stack([torch.randn(dim, generator=generator) for _ in range(count)])


def draw_labels(count: int, dim: int, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw (count, dim) standard normal numbers and (count,) uniform class indices, code by code.

    Codes are the same whether or not their labels are then replaced, and do not depend on the count.
    """
    drawn = [
        (torch.randn(dim, generator=generator), torch.randint(classes, (), generator=generator)) for _ in range(count)
    ]
    return torch.stack([latents for latents, _ in drawn]), torch.stack([label for _, label in drawn])


def truncated(normal: Tensor, bound: float) -> Tensor:
    """Map standard normal numbers to those of the normal distribution within ± `bound`, quantile to quantile."""
    half = torch.special.ndtr(torch.tensor(bound, dtype=torch.float64)) - 0.5
    inside = 0.5 + 2 * half * (torch.special.ndtr(normal.double()) - 0.5)
    within: Tensor = torch.special.ndtri(inside)
    return within.to(normal.dtype)


def check_codes(codes: Codes, space: LatentSpace, origin: str, *, classes: int = 0, needs_labels: bool = False) -> None:
    """Raise `CodesError` unless codes fit a space and a number of classes, and are finite; `origin` names them."""
    if tuple(codes.latents.shape[1:]) != space.shape:
        found = " x ".join(str(size) for size in codes.latents.shape[1:])
        raise CodesError(f"{origin} holds codes of {found} numbers, but the space is {space}")
    if len(codes) == 0:
        raise CodesError(f"{origin} holds no code")
    if not bool(torch.isfinite(codes.latents).all()):
        raise CodesError(f"{origin} holds numbers that are not finite")
    if needs_labels and codes.labels is None:
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
    tensors = {"latents": codes.latents} if codes.labels is None else {"latents": codes.latents, "labels": codes.labels}
    write_tensors(path, tensors, {"format": "zoo-codes/1", "truncation": codes.truncation, **card})


def load_codes(path: Path) -> tuple[Codes, dict[str, Any]]:
    """Read codes from safetensors (see `save_codes`) or from an ``.npy`` array of latents; return them and their card.

    Raises `CodesError` for a file that is missing, broken, or holds anything else.
    """
    try:
        tensors, card = _read_latents(path) if path.suffix == ".npy" else read_tensors(path)
    except UnreadableError as error:
        raise CodesError(f"cannot read codes from {path}: {error}") from None
    if "latents" not in tensors:
        raise CodesError(f"{path} holds no tensor 'latents'; it has {', '.join(sorted(tensors)) or 'none'}")
    latents, labels, truncation = tensors["latents"], tensors.get("labels"), card.get("truncation")
    if latents.dtype not in FLOATS or (labels is not None and labels.dtype != torch.int64):
        raise CodesError(f"{path}: latents must be floating point numbers, and labels int64")
    if truncation is not None and not (isinstance(truncation, int | float) and 0 <= truncation <= MOST_TRUNCATION):
        raise CodesError(f"{path}: the truncation of its card does not lie within 0 and {MOST_TRUNCATION:g}")
    try:
        return Codes(latents, labels, truncation), card
    except CodesError as error:
        raise CodesError(f"{path}: {error}") from None


def _read_latents(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    array = read_array(path)
    return {"latents": torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))}, {}


def resolve_layers(asked: str | Sequence[int] | None, count: int) -> tuple[int, ...] | None:
    """Read layers given as text or as numbers; None stays None. Raises `LayersError`."""
    if asked is None:
        return None
    return parse_layers(asked if isinstance(asked, str) else ",".join(str(layer) for layer in asked), count)


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
