"""Generators that map z to w and read a row of w in each layer: what the families of the StyleGAN idea share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.checkpoints.conversion import count_keys
from zoo.checkpoints.loading import build_module
from zoo.core.adapter import Adapter, State
from zoo.core.codes import Codes, LatentSpace, draw_labels, draw_normal
from zoo.core.options import name_classes
from zoo.core.region import Region
from zoo.errors import CodesError, unknown_name
from zoo.nn.window import Patch, Window

_SLOPE = 0.2
_EPSILON = 1e-8
_PARTS, _AT_A_TIME = 64, 64
"""A mean code is one of 4096 codes, few of them at a time: a small file can have a mapping of very wide layers."""


class MappingNetwork(nn.Module):
    """From z (n, dim), and a one-hot label, to w (n, widths[-1]): `widths` are those of the layers, from the input on.

    Gains and learning rates are folded into the weights. The embedded label is normalised by itself, or, where
    `together`, with the code that it is appended to.
    """

    def __init__(self, dim: int, widths: Sequence[int], classes: int, *, together: bool = False) -> None:
        super().__init__()
        self.dim, self.classes, self.together = dim, classes, together
        self.embed = nn.Linear(classes, widths[0] - dim) if classes else None
        self.layers = nn.ModuleList(nn.Linear(wide, narrow) for wide, narrow in pairwise(widths))
        self.mean = nn.Buffer(torch.zeros(widths[-1]))

    def forward(self, z: Tensor, one_hot: Tensor | None = None) -> Tensor:
        """Map codes, with one-hot labels (n, classes) where there are classes."""
        if self.embed is None:
            w = pixel_norm(z)
        elif self.together:
            w = pixel_norm(torch.cat([z, self.embed(one_hot)], dim=1))
        else:
            w = torch.cat([pixel_norm(z), pixel_norm(self.embed(one_hot))], dim=1)
        for layer in self.layers:
            w = leaky_relu(layer(w), _SLOPE)
        return w


def mapping_from_state(state: State, *, together: bool = False) -> MappingNetwork:
    """Build the mapping whose sizes a canonical state tells, under ``mapping.``, its weights not yet filled in.

    Raises `LookupError` or `ValueError` where they are those of none.
    """
    depth = count_keys(state, r"mapping\.layers\.\d+\.weight")
    shapes = [tuple(state[f"mapping.layers.{index}.weight"].shape) for index in range(depth)]
    widths = [shapes[0][1], *(rows for rows, _ in shapes)]
    embedded, classes = state["mapping.embed.weight"].shape if "mapping.embed.weight" in state else (0, 0)
    if embedded >= widths[0]:
        raise ValueError(f"labels take all {widths[0]} inputs of the mapping")
    return MappingNetwork(widths[0] - embedded, widths, classes, together=together)


class StyleNetwork(nn.Module):
    """A mapping and the layers that read w: `rows` rows of it; images are (side, side).

    `forward(w, window)` renders w (n, rows, dim), all of the picture or a window of it: (n, 3, height, width).
    """

    mapping: MappingNetwork
    side: int
    rows: int

    def fold(self) -> None:
        """Prepare what depends on the weights alone."""


class StyleAdapter(Adapter):
    """A generator in w (a row for each layer), or in z; a conditional one reads labels where z is mapped.

    Families set `family` and define `shaped`, `projections` and `tiny`.
    """

    family: ClassVar[str]
    cutoff: ClassVar[int | None] = None
    """How many rows truncation acts on unless told otherwise; None for all."""
    network: StyleNetwork

    def __init__(
        self, network: StyleNetwork, space: str = "w", *, classes: Sequence[str] = (), cutoff: int | None = None
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        network.fold()
        mapping = network.mapping
        self.classes = name_classes(classes, mapping.classes)
        self.space = (
            LatentSpace("z", mapping.dim) if space == "z" else LatentSpace("w", len(mapping.mean), network.rows)
        )
        self._drawn_in = network.rows if cutoff is None else min(cutoff, network.rows)
        self.resolution = (network.side, network.side)

    @classmethod
    @abstractmethod
    def shaped(cls, state: State, config: Mapping[str, Any]) -> StyleNetwork:
        """Build the network of the sizes that a canonical state and its config tell, its weights not yet filled in.

        Raises `CheckpointError` where they are those of no network.
        """

    @classmethod
    def prepare(cls, network: StyleNetwork, config: Mapping[str, Any]) -> None:
        """Do what a config asks of a filled network, such as to choose its noise."""

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
        """Build from a canonical state; config holds the family's options.

        A mean code that the file lacks is taken over 4096 codes of a fixed seed. Raises what `Adapter.load` does.
        """
        if space not in {None, "w", "z"}:
            raise unknown_name(f"space of a {cls.family}", str(space), ["w", "z"])
        mean = {} if "mapping.mean" in state else _no_mean(state)
        network = build_module(lambda: cls.shaped(state, config), {**state, **mean}, f"the {cls.family} file")
        cls.prepare(network, config)
        cutoff = config.get("cutoff", cls.cutoff)
        adapter = cls(network.to(device, dtype), space or "w", classes=config.get("classes", ()), cutoff=cutoff)
        if mean:
            generator = torch.Generator().manual_seed(0)
            for _ in range(_PARTS):
                drawn = adapter._map_drawn(_AT_A_TIME, generator, None)[0]
                network.mapping.mean.add_(drawn.mean(dim=0) / _PARTS)
        return adapter

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
            raise CodesError(f"this {self.family} is conditional: its codes z need labels")
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
        """Give every layer its row of w (n, dim); the first ones are drawn towards the mean."""
        rows = w[:, None].expand(-1, self.network.rows, -1)
        if truncation is None:
            return rows.clone()
        mean = self.network.mapping.mean
        drawn, free = rows[:, : self._drawn_in], rows[:, self._drawn_in :]
        return torch.cat([mean + truncation * (drawn - mean), free], dim=1)


def choose_noise(layers: Iterable[nn.Module], config: Mapping[str, Any]) -> None:
    """Keep the noise that is stored in the file, use none, or one that is drawn, layer by layer, from a seed.

    Each layer has buffers `noise` and `strength`; config has `noise` and `noise_seed`.
    """
    noise, generator = config.get("noise", "stored"), torch.Generator().manual_seed(config.get("noise_seed", 0))
    for layer in layers:
        stored = layer.get_buffer("noise")
        if noise == "none":
            layer.get_buffer("strength").zero_()
        elif noise == "drawn":
            stored.copy_(torch.randn(stored.shape, generator=generator))


def _no_mean(state: State) -> State:
    """Make a mean code of zeros, as wide as the last layer of the mapping; nothing where there is none."""
    depth = count_keys(state, r"mapping\.layers\.\d+\.bias")
    last = state.get(f"mapping.layers.{depth - 1}.bias")
    return {} if last is None else {"mapping.mean": torch.zeros_like(last)}


def pixel_norm(x: Tensor) -> Tensor:
    """Bring each code, or each pixel of a map, to the root mean square 1 over axis 1.

    (Pixel normalisation, Karras et al., ICLR 2018, section 4.2.)
    """
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + _EPSILON)
