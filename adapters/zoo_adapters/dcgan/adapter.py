"""DCGAN as zoo sees it: a normal code z, and the first transposed convolution as its projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from zoo import Adapter, CheckpointError, Codes, CodesError, LatentSpace, Projection, Region, State, unknown_name
from zoo.checkpoints import build_module
from zoo.core import draw_labels, draw_normal
from zoo.nn import Patch, Window
from zoo_adapters.dcgan.checkpoint import LAYOUTS
from zoo_adapters.dcgan.network import DCGANGenerator


class DCGAN(Adapter):
    """A DCGAN generator; conditional ones take a one-hot label behind the code."""

    layouts = LAYOUTS
    network: DCGANGenerator

    def __init__(self, network: DCGANGenerator, classes: Sequence[str] = ()) -> None:
        self.network = network.eval().requires_grad_(False)
        network.fold()
        self.classes = tuple(classes)
        self.space = LatentSpace("z", network.widths[0] - len(self.classes))
        side = 2 ** len(network.widths)
        self.resolution = (side, side)

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
        """Build from keys convs.i.weight, norms.i.*; widths are read from the shapes; config may name `classes`."""
        if space not in {None, "z"}:
            raise unknown_name("space of a DCGAN", str(space), ["z"])
        weights = [state.get(f"convs.{index}.weight") for index in range(len(state))]
        shapes = [tuple(weight.shape) for weight in weights if weight is not None]
        if len(shapes) < 2 or any(len(shape) != 4 for shape in shapes) or shapes[-1][1] != 3:
            raise CheckpointError(f"a DCGAN has 4-d weights that end in 3 channels, found {shapes[:6]}")
        channels = [shapes[0][0], *(shape[1] for shape in shapes)]
        network = build_module(lambda: DCGANGenerator(channels), state, "the DCGAN file")
        return cls(network.to(device, dtype), config.get("classes", ()))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels with a code of 12 numbers and random statistics."""
        network = DCGANGenerator([12, 16, 12, 3])
        generator = torch.Generator().manual_seed(seed)
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(noise.abs() + 0.5 if key.endswith("running_var") else noise * 0.3)
        return cls(network)

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a standard normal, times `truncation`; labels are uniform where they are not given."""
        scale = 1.0 if truncation is None else truncation
        if not self.classes:
            return Codes(draw_normal(count, self.space.dim, generator) * scale, labels, truncation)
        latents, drawn = draw_labels(count, self.space.dim, len(self.classes), generator)
        return Codes(latents * scale, drawn if labels is None else labels, truncation)

    def projections(self) -> list[Projection]:
        """Return the first transposed convolution, a row for each (output channel, tap), class columns cut off."""
        weight = self.network.first_weight[: self.space.dim]
        return [Projection(0, weight.flatten(1).T)]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render (n, 3, h, w); tanh keeps it within [-1, 1]."""
        images: Tensor = self.network(self._inputs(codes))
        return images

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render (n, 3, p), computing of every layer the window that the region needs."""
        window = Window.around(region)
        return Patch(self.network(self._inputs(codes), window), window).pixels(region)

    def _inputs(self, codes: Codes) -> Tensor:
        if not self.classes:
            return codes.latents
        if codes.labels is None:
            raise CodesError("this DCGAN is conditional: its codes need labels")
        indices = torch.arange(len(self.classes), device=codes.latents.device)
        one_hot = (codes.labels[:, None] == indices).to(codes.latents)  # torch's own cannot be linearized
        return torch.cat([codes.latents, one_hot], dim=1)
