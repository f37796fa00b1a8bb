"""R3GAN as zoo sees it: a normal code z, which scales the channels of the first map, and a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from zoo import Adapter, Codes, CodesError, LatentSpace, OptionError, Projection, Region, State, unknown_name
from zoo.checkpoints import build_module
from zoo.core import draw_labels, draw_normal, name_classes
from zoo.nn import Patch, Window
from zoo_adapters.r3gan.checkpoint import LAYOUTS, sized
from zoo_adapters.r3gan.network import R3GANGenerator, untrained


class R3GAN(Adapter):
    """An R3GAN generator; conditional ones read a label."""

    layouts = LAYOUTS
    network: R3GANGenerator

    def __init__(self, network: R3GANGenerator, classes: Sequence[str] = ()) -> None:
        self.network = network.eval().requires_grad_(False)
        self.classes = name_classes(classes, network.classes)
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
        """Build from the keys of the family's generator; config may name `classes`."""
        if space not in {None, "z"}:
            raise unknown_name("space of an R3GAN", str(space), ["z"])
        network = build_module(lambda: sized(state), state, "the R3GAN file")
        return cls(network.to(device, dtype), config.get("classes", ()))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels and 3 classes, with a code of 6 numbers."""
        return cls(untrained(seed, 6, [8, 8, 4], blocks=1, embedding=3, classes=3))

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a standard normal; labels are uniform where they are not given. Raises `OptionError`.

        The published networks have no truncation.
        """
        if truncation is not None:
            raise OptionError(f"truncation {truncation:g}: an R3GAN has none; leave it out")
        if not self.classes:
            return Codes(draw_normal(count, self.space.dim, generator), labels)
        z, drawn = draw_labels(count, self.space.dim, len(self.classes), generator)
        return Codes(z, drawn if labels is None else labels)

    def projections(self) -> list[Projection]:
        """Return what makes the first map: a row for each number of the basis, the label's columns cut off."""
        network = self.network
        weight = network.basis.flatten(1)[:, :, None] * network.start.weight[:, None, : self.space.dim]
        return [Projection(0, weight.flatten(0, 1))]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render (n, 3, h, w)."""
        images: Tensor = self.network(codes.latents, self._labels(codes))
        return images

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render (n, 3, p), computing of every layer the window that the region needs."""
        window = Window.around(region)
        return Patch(self.network(codes.latents, self._labels(codes), window), window).pixels(region)

    def _labels(self, codes: Codes) -> Tensor | None:
        if self.classes and codes.labels is None:
            raise CodesError("this R3GAN is conditional: its codes need labels")
        return codes.labels
