"""The contract that makes a generator analysable: one object is one network in one latent space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from zoo.core.codes import Codes, LatentSpace, check_codes
from zoo.core.region import Region
from zoo.errors import CodesError, LayersError

State = dict[str, Tensor]
"""The tensors of a weights file, by key."""


@dataclass(frozen=True, eq=False)
class Projection:
    """The weights that first touch the latent code in one layer.

    `weight` (out, dim) is the *effective* one: learning-rate multipliers applied, spectral norm divided, class columns
    cut off. `layer` is the row of the code that it reads. A `geometric` projection
    turns or shifts the whole picture. It is left out unless layers are chosen and its own is among them.
    """

    layer: int
    weight: Tensor
    geometric: bool = False


@dataclass(frozen=True)
class Layout:
    """One public file format of a family.

    `detect(state, meta)` says whether a file is of this layout; `convert(state, meta)` gives the family's canonical
    state and the config for `Adapter.load`. `meta` is what came beside the tensors. `about` says in a line whose files
    these are, and `required_keys` are keys that every one of them has, without prefixes of networks. The documentation
    and the message about a file that fits no layout are made of them. `averaged` says that all of its files hold the
    average over training (EMA), though their keys do not say so.
    """

    name: str
    detect: Callable[[State, Mapping[str, Any]], bool]
    convert: Callable[[State, Mapping[str, Any]], tuple[State, dict[str, Any]]]
    about: str = ""
    required_keys: tuple[str, ...] = ()
    averaged: bool = False


class Adapter(ABC):
    """A generator in one latent space.

    Implementations set `network`, `space`, `resolution` (height, width) and `classes` (names, or none), and define
    `load`, `tiny`, `sample`, `projections` and `synthesize`.
    """

    layouts: ClassVar[Sequence[Layout]] = ()
    network: nn.Module
    space: LatentSpace
    resolution: tuple[int, int]
    classes: tuple[str, ...] = ()

    @classmethod
    @abstractmethod
    def load(
        cls,
        state: State,
        config: Mapping[str, Any],
        *,
        space: str | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Self:
        """Build the network from a canonical state and a layout's config; `space` None is the family's usual one.

        Raises `CheckpointError` when the state does not fit, `UnknownNameError` for a space the family does not have.
        """

    @classmethod
    @abstractmethod
    def tiny(cls, seed: int) -> Self:
        """Build a small untrained network without any download, the same for the same seed."""

    @abstractmethod
    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw codes with a CPU generator: the same seed gives the same codes on every device and for every type."""

    @abstractmethod
    def projections(self) -> Sequence[Projection]:
        """List the weights that first touch the code, by layer: what SeFa factorizes."""

    @abstractmethod
    def synthesize(self, codes: Codes) -> Tensor:
        """Render (n, 3, height, width), nominally in [-1, 1] and never clamped.

        Deterministic, and made of plain torch operations with forward- and reverse-mode derivatives.
        """

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render only a region: (n, 3, p), its pixels in row-major order.

        The default cuts the whole image; a family may compute only what the region needs.
        """
        images = self.synthesize(codes).flatten(2)
        if region.whole:
            return images
        return images[..., torch.from_numpy(region.pixels).to(images.device)]

    def move(self, codes: Codes, delta: Tensor, layers: Sequence[int] | None = None) -> Codes:
        """Add `delta` (dim,) to every code, in the rows `layers` (all rows when None), and do nothing else.

        Raises `LayersError` when the space has one row and `layers` is given, or for a row that is not there.
        """
        if tuple(delta.shape) != (self.space.dim,):
            raise CodesError(f"a move in {self.space} has shape ({self.space.dim},), not {tuple(delta.shape)}")
        if self.space.layers == 1:
            if layers is not None:
                raise LayersError(f"{self.space} has a single row: a code cannot be moved in some layers only")
            return replace(codes, latents=codes.latents + delta)
        chosen = range(self.space.layers) if layers is None else layers
        if not chosen or min(chosen) < 0 or max(chosen) >= self.space.layers:
            raise LayersError(f"layers {list(chosen)} are not within the rows of {self.space}")
        rows = torch.zeros(self.space.layers, 1, dtype=delta.dtype, device=delta.device)
        rows[list(chosen)] = 1
        return replace(codes, latents=codes.latents + rows * delta)

    def normalize(self, codes: Codes) -> Codes:
        """Bring codes from a file into the form in which `sample` draws them; families that normalise override it."""
        return codes

    @property
    def needs_labels(self) -> bool:
        """Whether `synthesize` reads labels: in a mapped space, a conditional network may have read them before."""
        return bool(self.classes)

    def check(self, codes: Codes, origin: str) -> None:
        """Raise `CodesError` unless codes fit this network and are finite; `origin` names them."""
        check_codes(codes, self.space, origin, classes=len(self.classes), needs_labels=self.needs_labels)

    @property
    def device(self) -> torch.device:
        """The device that the network lives on."""
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating point type that the network computes in."""
        return next(self.network.parameters()).dtype
