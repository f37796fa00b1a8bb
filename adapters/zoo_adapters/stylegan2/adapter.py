"""StyleGAN2 as zoo sees it: codes w with a row for each layer, or z, and the layers' affine maps as projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from zoo import Adapter, Codes, CodesError, LatentSpace, Projection, Region, State, unknown_name
from zoo.checkpoint import fill_module
from zoo.codes import draw_labels, draw_normal
from zoo.options import class_names
from zoo.window import Patch, Window
from zoo_adapters.stylegan2.checkpoint import LAYOUTS, sized
from zoo_adapters.stylegan2.network import Generator, untrained

_MEAN_OF = 4096


class StyleGAN2(Adapter):
    """A StyleGAN2 generator, in w (a row for each layer) or in z; conditional ones read labels when z is mapped."""

    layouts = LAYOUTS
    network: Generator

    def __init__(
        self, network: Generator, space: str = "w", *, classes: Sequence[str] = (), cutoff: int | None = None
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        network.fold()
        mapping = network.mapping
        self.classes = class_names(classes, mapping.classes)
        self.space = (
            LatentSpace("z", mapping.dim) if space == "z" else LatentSpace("w", len(mapping.mean), network.rows)
        )
        self.cutoff = cutoff
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
        """Build from the keys of `network.Generator`, whose shapes tell its sizes; config holds the options.

        A mean code that the file lacks is taken over 4096 codes of a fixed seed.
        """
        if space not in {None, "w", "z"}:
            raise unknown_name("space of a StyleGAN2", str(space), ["w", "z"])
        network = sized(state)
        mean = {} if "mapping.mean" in state else {"mapping.mean": network.mapping.mean}
        fill_module(network, {**state, **mean}, "the StyleGAN2 file")
        _set_noise(network, config.get("noise", "stored"), config.get("noise_seed", 0))
        adapter = cls(
            network.to(device, dtype), space or "w", classes=config.get("classes", ()), cutoff=config.get("cutoff")
        )
        if mean:
            drawn = adapter._map_drawn(_MEAN_OF, torch.Generator().manual_seed(0), None)[0]
            network.mapping.mean.copy_(drawn.mean(dim=0))
        return adapter

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels with codes of 6 x 8 numbers."""
        return cls(untrained(8, [8, 6, 4], seed))

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a standard normal; in w it is mapped, and `truncation` draws its first rows towards the mean.

        In z, truncation is kept beside the code and acts where `synthesize` maps it.
        """
        if self.space.name == "z":
            z, drawn = self._draw(count, generator)
            return Codes(z, drawn if labels is None else labels, truncation)
        w, labels = self._map_drawn(count, generator, labels)
        return Codes(self._rows(w, truncation), labels, truncation)

    def projections(self) -> list[Projection]:
        """Return every layer's affine map from its row of w to the scales of channels; the last row's is the colours'.

        In z there is none: the code is normalised before any weight touches it.
        """
        if self.space.name == "z":
            return []
        names = [*(f"layers.{row}" for row in range(self.network.rows - 1)), f"colours.{self.network.rows // 2 - 1}"]
        return [Projection(row, self.network.get_parameter(f"{name}.affine.weight")) for row, name in enumerate(names)]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render (n, 3, h, w)."""
        images: Tensor = self.network(self._w(codes))
        return images

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render (n, 3, p), computing of every layer the window that the region needs."""
        window = Window.around(region)
        return Patch(self.network(self._w(codes), window), window).pixels(region)

    @property
    def needs_labels(self) -> bool:
        """Labels are read where z is mapped: codes w hold what they say already."""
        return bool(self.classes) and self.space.name == "z"

    def _w(self, codes: Codes) -> Tensor:
        if self.space.name == "w":
            return codes.latents
        if self.classes and codes.labels is None:
            raise CodesError("this StyleGAN2 is conditional: its codes z need labels")
        return self._rows(self._map(codes.latents, codes.labels), codes.truncation)

    def _map(self, z: Tensor, labels: Tensor | None) -> Tensor:
        one_hot = None
        if labels is not None and self.classes:
            one_hot = (labels[:, None] == torch.arange(len(self.classes), device=z.device)).to(z)
        w: Tensor = self.network.mapping(z, one_hot)
        return w

    def _draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        dim = self.network.mapping.dim
        if not self.classes:
            return draw_normal(count, dim, generator), None
        return draw_labels(count, dim, len(self.classes), generator)

    def _map_drawn(self, count: int, generator: torch.Generator, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Draw z and map it: w (count, dim), and the labels that it was mapped with."""
        z, drawn = self._draw(count, generator)
        labels = drawn if labels is None else labels
        return self._map(z.to(self.device, self.dtype), None if labels is None else labels.to(self.device)), labels

    def _rows(self, w: Tensor, truncation: float | None) -> Tensor:
        """Give every layer its row of w (n, dim); the first `cutoff` rows, or all, are drawn towards the mean."""
        rows = w[:, None].expand(-1, self.network.rows, -1)
        if truncation is None:
            return rows.clone()
        mean = self.network.mapping.mean
        count = self.network.rows if self.cutoff is None else min(self.cutoff, self.network.rows)
        return torch.cat([(mean + truncation * (rows - mean))[:, :count], rows[:, count:]], dim=1)


def _set_noise(network: Generator, noise: str, seed: int) -> None:
    """Keep the noise that is stored in the file, use none, or one that is drawn, layer by layer, from a seed."""
    generator = torch.Generator().manual_seed(seed)
    for layer in network.layers:
        stored = layer.get_buffer("noise")
        if noise == "none":
            layer.get_buffer("strength").zero_()
        elif noise == "drawn":
            stored.copy_(torch.randn(stored.shape, generator=generator))
