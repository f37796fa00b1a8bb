"""Latent spaces, the codes in them, and how they are checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from zoo._utils.html_repr import facts_html, plain
from zoo._utils.indexing import chosen_of
from zoo.errors import CodesError


@dataclass(frozen=True)
class LatentSpace:
    """A latent space. The spaces w and w+ of style networks are one space, with a row per layer.

    Attributes:
        name: what the space is called, such as ``z`` or ``w``.
        dim: the number of components of a code, or of each of its rows.
        layers: the number of rows of a code.
        styles: how many styles each layer of a style network has, in the order of the forward pass; empty if there is
            no StyleSpace. Files do not keep it, and comparisons leave it out.

    """

    name: str
    dim: int
    layers: int = 1
    styles: tuple[int, ...] = field(default=(), compare=False, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one code: (dim,) or (layers, dim)."""
        return (self.dim,) if self.layers == 1 else (self.layers, self.dim)

    def as_json(self) -> dict[str, Any]:
        """Return the fields as they are written to files.

        Returns:
            The name, dim and layers by these keys.

        """
        return {"name": self.name, "dim": self.dim, "layers": self.layers}

    def __str__(self) -> str:
        return f"{plain(self.name)} ({' x '.join(map(str, self.shape))})"


@dataclass(frozen=True, eq=False)
class Codes:
    """A batch of n latent codes. Indexing gives a smaller batch, with an integer a batch of one code.

    Attributes:
        latents: (n, dim), or (n, layers, dim) where the space has layers.
        labels: (n,) class indices of a conditional network, or None.
        truncation: the truncation that `latents` were drawn with, already applied to them. Networks whose forward pass
            depends on it (BigGAN-deep) read it here. None where none was asked for.
        seeds: (n,) the seeds that the codes were drawn with, where each code has a seed of its own; else None.

    Raises:
        CodesError: the shapes do not fit together.

    """

    latents: Tensor
    labels: Tensor | None = None
    truncation: float | None = None
    seeds: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.latents.ndim not in {2, 3}:
            raise CodesError(f"codes have shape (n, dim) or (n, layers, dim), not {tuple(self.latents.shape)}")
        if self.labels is not None and tuple(self.labels.shape) != (len(self),):
            raise CodesError(f"{len(self)} codes need ({len(self)},) labels, not {tuple(self.labels.shape)}")
        if self.seeds is not None and len(self.seeds) != len(self):
            raise CodesError(f"{len(self)} codes need {len(self)} seeds, not {len(self.seeds)}")

    def __len__(self) -> int:
        return int(self.latents.shape[0])

    @property
    def naming_seeds(self) -> tuple[int, ...] | None:
        """The seeds, if pictures and files can be named after them: no two codes have the same one."""
        return self.seeds if self._are_seeds_distinct else None

    @cached_property
    def _are_seeds_distinct(self) -> bool:
        return self.seeds is not None and len(set(self.seeds)) == len(self)

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
        """Return what a notebook shows: the number of codes, their labels, truncation and dtype."""
        return facts_html("Codes", self._facts())

    def __getitem__(self, index: int | slice | Iterable[int]) -> Codes:
        chosen = chosen_of(index, len(self), "code")
        return replace(
            self,
            latents=self.latents[chosen],
            labels=None if self.labels is None else self.labels[chosen],
            seeds=None if self.seeds is None else tuple(self.seeds[one] for one in chosen),
        )

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Codes:
        """Copy the codes to a device and a dtype.

        Args:
            device: where the latents and the labels go.
            dtype: the floating point type of the latents; labels stay integers.

        Returns:
            The copy.

        """
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, latents=self.latents.to(device, dtype), labels=labels)


def join(parts: Sequence[Codes]) -> Codes:
    """Concatenate batches of codes.

    Args:
        parts: at least one batch, all of the same space.

    Returns:
        One batch, in the order of `parts`.

    Raises:
        CodesError: truncations differ, or only some of the batches have labels.

    """
    if len({part.truncation for part in parts}) > 1 or len({part.labels is None for part in parts}) > 1:
        raise CodesError("codes with different truncations, or with and without labels, cannot form one batch")
    labels = [part.labels for part in parts if part.labels is not None]
    seeds = [part.seeds for part in parts if part.seeds is not None]
    return replace(
        parts[0],
        latents=torch.cat([part.latents for part in parts]),
        labels=torch.cat(labels) if labels else None,
        seeds=tuple(chain.from_iterable(seeds)) if len(seeds) == len(parts) else None,
    )


def check_codes(codes: Codes, space: LatentSpace, origin: str, *, classes: int = 0, needs_labels: bool = False) -> None:
    """Check that codes fit a space and a number of classes, and are finite.

    Args:
        codes: the codes to check.
        space: the space that they must be in.
        origin: where they come from; the error message begins with it.
        classes: the number of classes of the network; 0 for one that is not conditional.
        needs_labels: whether the codes must have labels.

    Raises:
        CodesError: they do not fit.

    """
    if tuple(codes.latents.shape[1:]) != space.shape:
        size = " x ".join(str(length) for length in codes.latents.shape[1:])
        raise CodesError(f"{origin} holds codes of {size} numbers, but the space is {space}")
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
