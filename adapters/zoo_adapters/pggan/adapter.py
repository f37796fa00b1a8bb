"""The PGGAN adapter: a normalised code z, and the dense layer that reads it as its projection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor

from zoo import Adapter, Codes, CodesError, LatentSpace, Projection, Region, State, unknown_name
from zoo.checkpoints import build_module
from zoo.core import draw_normal
from zoo.nn import Patch, Window, pixel_norm, to_device
from zoo_adapters.pggan.checkpoint import LAYOUTS, fold_upsampling, network_from_state
from zoo_adapters.pggan.network import PGGANGenerator, untrained


class PGGAN(Adapter):
    """A PGGAN generator. Its codes are normalised as the network would, so that moves are measured on that sphere.

    Args:
        network: the network; it is put into evaluation mode, and its parameters need no gradient.
    """

    layouts = LAYOUTS
    network: PGGANGenerator

    def __init__(self, network: PGGANGenerator) -> None:
        self.network = network.eval().requires_grad_(False)
        self.space = LatentSpace("z", network.dim)
        self.resolution = (network.img_resolution, network.img_resolution)
        self.channels = network.img_channels

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
        """Build the adapter from the keys of `PGGANGenerator`, whose shapes give the sizes.

        Args:
            state: the canonical state.
            config: `lod`, the level of detail, and `fused`, what the weights of upsampling layers are.
            space: "z", the default.
            device: where the network computes.
            dtype: in which type.

        Returns:
            The adapter.

        Raises:
            CheckpointError: if the state does not fit.
            UnknownNameError: for any other space.
        """
        if space not in {None, "z"}:
            raise unknown_name("space of a PGGAN", str(space), ["z"])
        folded = fold_upsampling(state, fused=config.get("fused", False))
        network = build_module(lambda: network_from_state(state, config.get("lod", 0.0)), folded, "the PGGAN file")
        return cls(to_device(network, device, dtype))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels with codes of 12 numbers.

        Args:
            seed: the same seed gives the same weights.

        Returns:
            The adapter.
        """
        return cls(untrained(12, [8, 8, 6], seed))

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a standard normal distribution, and normalise it.

        Args:
            count: how many codes.
            generator: the source of random numbers, on the CPU.
            labels: kept beside the codes; the network does not read them.
            truncation: None; there is no truncation of normalised codes.

        Returns:
            The codes.

        Raises:
            CodesError: for a truncation.
        """
        if truncation is not None:
            raise CodesError(
                "a PGGAN has no truncation: its codes are normalised, so that their length does not matter"
            )
        return Codes(pixel_norm(draw_normal(count, self.space.dim, generator)), labels)

    def normalize(self, codes: Codes) -> Codes:
        """Scale codes to a root mean square of 1 (Karras et al., ICLR 2018, section 4.2).

        Args:
            codes: codes of any length.

        Returns:
            The normalised codes.
        """
        return replace(codes, latents=pixel_norm(codes.latents))

    def projections(self) -> list[Projection]:
        """Return the dense layer.

        Returns:
            One projection, with a row for each (pixel, channel) of the first map.
        """
        return [Projection(0, self.network.start.weight)]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render whole images.

        Args:
            codes: n codes z.

        Returns:
            (n, channels, height, width), nominally in [-1, 1].
        """
        images: Tensor = self.network(codes.latents)
        return images

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render a region, computing only the window of each layer that it needs.

        Args:
            codes: n codes z.
            region: p pixels of the image.

        Returns:
            (n, channels, p), in row-major order.
        """
        window = Window.around(region)
        return Patch(self.network(codes.latents, window), window).pixels(region)
