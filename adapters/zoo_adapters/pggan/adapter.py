"""PGGAN as zoo sees it: a normalised code z, and the dense layer behind it as its projection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor

from zoo import Adapter, Codes, CodesError, LatentSpace, Projection, Region, State, unknown_name
from zoo.checkpoints import build_module
from zoo.core import draw_normal
from zoo.nn import Patch, Window, pixel_norm
from zoo_adapters.pggan.checkpoint import LAYOUTS, joined, sized
from zoo_adapters.pggan.network import PGGANGenerator, untrained


class PGGAN(Adapter):
    """A PGGAN generator. Its codes are normalised as the network would, so that a move is measured on that sphere."""

    layouts = LAYOUTS
    network: PGGANGenerator

    def __init__(self, network: PGGANGenerator) -> None:
        self.network = network.eval().requires_grad_(False)
        self.space = LatentSpace("z", network.dim)
        self.resolution = (network.side, network.side)

    @classmethod
    def load(
        cls,
        state: State,
        config: Mapping[str, Any],
        *,
        space: str | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Self:
        """Build from a canonical state; config holds the level of detail and how doubling layers are meant."""
        if space not in {None, "z"}:
            raise unknown_name("space of a PGGAN", str(space), ["z"])
        whole = joined(state, fused=config.get("fused", False))
        network = build_module(lambda: sized(state, config.get("lod", 0.0)), whole, "the PGGAN file")
        return cls(network.to(device, dtype))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels with codes of 12 numbers."""
        return cls(untrained(12, [8, 8, 6], seed))

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a standard normal and normalise it. Raises `CodesError` for a truncation."""
        if truncation is not None:
            raise CodesError(
                "a PGGAN has no truncation: its codes are normalised, so that their length does not matter"
            )
        return Codes(pixel_norm(draw_normal(count, self.space.dim, generator)), labels)

    def normalize(self, codes: Codes) -> Codes:
        """Bring codes to the root mean square 1 (Karras et al., ICLR 2018, section 4.2)."""
        return replace(codes, latents=pixel_norm(codes.latents))

    def projections(self) -> list[Projection]:
        """Return the dense layer, a row for each (pixel, channel) of the first map."""
        return [Projection(0, self.network.start.weight)]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render (n, 3, h, w), nominally in [-1, 1]."""
        images: Tensor = self.network(codes.latents)
        return images

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render (n, 3, p), computing of every layer the window that the region needs."""
        window = Window.around(region)
        return Patch(self.network(codes.latents, window), window).pixels(region)
