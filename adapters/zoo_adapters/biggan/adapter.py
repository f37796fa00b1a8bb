"""BigGAN as zoo sees it: a normal code z, of which every block reads a part, and a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from zoo import Adapter, Codes, CodesError, LatentSpace, Projection, Region, State, unknown_name
from zoo.checkpoint import fill_module
from zoo.codes import draw_labels
from zoo.options import class_names
from zoo.window import Patch, Window
from zoo_adapters.biggan.checkpoint import LAYOUTS, sized
from zoo_adapters.biggan.network import Generator, Norm, untrained


class BigGAN(Adapter):
    """A BigGAN generator. Its space z is the whole code; the parts that blocks read are layers of its projections."""

    layouts = LAYOUTS
    network: Generator

    def __init__(self, network: Generator, classes: Sequence[str] = ()) -> None:
        self.network = network.eval().requires_grad_(False)
        self.classes = class_names(classes, network.classes)
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
        """Build from the keys of `network.Generator`; config says which block attention follows, and holds options."""
        if space not in {None, "z"}:
            raise unknown_name("space of a BigGAN", str(space), ["z"])
        network = sized(state, config.get("attends"), config.get("epsilon", 1e-5))
        fill_module(network, state, "the BigGAN file")
        return cls(network.to(device, dtype), config.get("classes", ()))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels and 3 classes, with codes of 4 + 3 + 3 numbers, and attention."""
        return cls(untrained(seed, [8, 8, 4], first=4, chunk=3, classes=3, embedding=2, attends=0))

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a standard normal, cut off at ± `truncation` (Brock et al., §3.1); labels are uniform by default.

        The cut distribution is reached by a monotone map of each number, so that a seed's codes at all truncations
        resemble each other.
        """
        z, drawn = draw_labels(count, self.space.dim, len(self.classes), generator)
        if truncation is not None:
            z = _truncated(z, truncation)
        return Codes(z, drawn if labels is None else labels, truncation)

    def projections(self) -> list[Projection]:
        """Return, for each part of the code, the weights that read it, the other columns zero.

        Part 0 is read by the first dense layer, part i + 1 by block i's gains and biases.
        """
        network = self.network
        start = torch.nn.functional.pad(network.start.weight, (0, self.space.dim - network.first))
        made = [Projection(0, start)]
        if network.chunk:
            made += [Projection(index + 1, self._block_rows(index)) for index in range(len(network.blocks))]
        return made

    def _block_rows(self, index: int) -> Tensor:
        norms = [module for module in self.network.blocks[index].modules() if isinstance(module, Norm)]
        chunk, before = self.network.chunk, self.network.first + index * self.network.chunk
        rows = torch.cat([weight[:, -chunk:] for norm in norms for weight in (norm.gain, norm.bias)])
        return torch.nn.functional.pad(rows, (before, self.space.dim - before - chunk))

    def synthesize(self, codes: Codes) -> Tensor:
        """Render (n, 3, h, w); tanh keeps it within [-1, 1]."""
        images: Tensor = self.network(codes.latents, self._labels(codes))
        return images

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render (n, 3, p); behind the attention, which reads all pixels, only the windows that the region needs."""
        window = Window.around(region)
        return Patch(self.network(codes.latents, self._labels(codes), window), window).pixels(region)

    def _labels(self, codes: Codes) -> Tensor:
        if codes.labels is None:
            raise CodesError("a BigGAN is conditional: its codes need labels")
        return codes.labels


def _truncated(normal: Tensor, bound: float) -> Tensor:
    """Map standard normal numbers to those of the normal distribution within ± `bound`, quantile to quantile."""
    half = torch.special.ndtr(torch.tensor(bound, dtype=torch.float64)) - 0.5
    inside = 0.5 + 2 * half * (torch.special.ndtr(normal.double()) - 0.5)
    truncated: Tensor = torch.special.ndtri(inside)
    return truncated.to(normal.dtype)
