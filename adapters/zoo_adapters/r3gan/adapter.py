"""The R3GAN adapter: a normal code z, which scales the channels of the first map, and a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from zoo import Adapter, Codes, CodesError, LatentSpace, OptionError, Projection, Region, State, unknown_name
from zoo.checkpoints import build_module
from zoo.core import draw_labels, draw_normal, name_classes
from zoo.nn import Patch, Window, to_device
from zoo_adapters.r3gan.checkpoint import LAYOUTS, network_from_state
from zoo_adapters.r3gan.network import R3GANGenerator, untrained


class R3GAN(Adapter):
    """An R3GAN generator; conditional ones read a label.

    Args:
        network: the network; it is put into evaluation mode, and its parameters need no gradient.
        classes: names of the network's classes; else they are numbered.
    """

    layouts = LAYOUTS
    network: R3GANGenerator

    def __init__(self, network: R3GANGenerator, classes: Sequence[str] = ()) -> None:
        self.network = network.eval().requires_grad_(False)
        self.classes = name_classes(classes, network.classes)
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
        """Build the adapter from the keys of `R3GANGenerator`, whose shapes give the sizes.

        Args:
            state: the canonical state.
            config: may name the `classes`.
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
            raise unknown_name("space of an R3GAN", str(space), ["z"])
        network = build_module(lambda: network_from_state(state), state, "the R3GAN file")
        return cls(to_device(network, device, dtype), config.get("classes", ()))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels and 3 classes, with codes of 6 numbers.

        Args:
            seed: the same seed gives the same weights.

        Returns:
            The adapter.
        """
        return cls(untrained(seed, 6, [8, 8, 4], blocks=1, embedding_dim=3, classes=3))

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a standard normal distribution.

        Args:
            count: how many codes.
            generator: the source of random numbers, on the CPU.
            labels: (count,), or None to draw them uniformly.
            truncation: None; the published networks have none.

        Returns:
            The codes.

        Raises:
            OptionError: for a truncation.
        """
        if truncation is not None:
            raise OptionError(f"truncation {truncation:g}: an R3GAN has none; leave it out")
        if not self.classes:
            return Codes(draw_normal(count, self.space.dim, generator), labels)
        z, drawn = draw_labels(count, self.space.dim, len(self.classes), generator)
        return Codes(z, drawn if labels is None else labels)

    def projections(self) -> list[Projection]:
        """Return the map from the code to the first feature map, without its columns for the class.

        Returns:
            One projection, with a row for each number of the basis.
        """
        network = self.network
        # Pixel p of channel c is basis[c, p] · (start[c] · z).
        weight = network.basis.flatten(1)[:, :, None] * network.start.weight[:, None, : self.space.dim]
        return [Projection(0, weight.flatten(0, 1))]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render whole images.

        Args:
            codes: n codes z.

        Returns:
            (n, channels, height, width).

        Raises:
            CodesError: for codes of a conditional network without labels.
        """
        images: Tensor = self.network(codes.latents, self._labels(codes))
        return images

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render a region, computing only the window of each layer that it needs.

        Args:
            codes: n codes z.
            region: p pixels of the image.

        Returns:
            (n, channels, p), in row-major order.

        Raises:
            CodesError: for codes of a conditional network without labels.
        """
        window = Window.around(region)
        return Patch(self.network(codes.latents, self._labels(codes), window), window).pixels(region)

    def _labels(self, codes: Codes) -> Tensor | None:
        if self.classes and codes.labels is None:
            raise CodesError("this R3GAN is conditional: its codes need labels")
        return codes.labels
