"""Generators that map z to w and read a row of w in each layer: what the StyleGAN families share.

The words are those of NVIDIA's code: `z_dim`, `w_dim`, `num_ws` (rows of w), `w_avg` (the mean code), `truncation_psi`
(here `truncation`), `truncation_cutoff`, `noise_const` and `noise_strength`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from zoo.checkpoints.loading import build_module
from zoo.core.adapter import Adapter, State
from zoo.core.codes import Codes, LatentSpace
from zoo.core.options import Settings, name_classes
from zoo.core.region import Region
from zoo.core.sampling import draw_labels, draw_normal
from zoo.errors import CodesError, unknown_name
from zoo.nn.mapping import MappingNetwork, StyleSettings, rescale_mapping, zero_w_avg
from zoo.nn.placement import to_device
from zoo.nn.window import Patch, Window

# A missing mean code is estimated from 64 batches of 64 codes. Batches are small, since the layers of a mapping can be
# very wide even in a small file.
_BATCHES = 64
_BATCH = 64

# How messages call such a mean code.
ESTIMATED_W_AVG = f"the mean of {_BATCHES * _BATCH:,} codes"


class StyleNetwork(nn.Module):
    """The interface of a network that `StyleAdapter` opens.

    `forward(w, window=None)` renders w (n, num_ws, w_dim) as (n, img_channels, height, width): the whole image, or a
    window of it.

    Attributes:
        mapping: the mapping from z to w.
        img_resolution: height and width of the image; a pair where they differ.
        img_channels: channels of the image, 3 unless a family says otherwise.
        num_ws: rows of w that the layers read.
    """

    mapping: MappingNetwork
    img_resolution: int | tuple[int, int]
    img_channels: int = 3
    num_ws: int

    def fold(self) -> None:
        """Recompute what depends on the weights alone; called once the weights are in place."""


class StyleAdapter(Adapter):
    """A generator in w (a row for each layer) or in z.

    A conditional generator needs labels only where z is mapped: codes w contain their class already.

    Families set `family`, define `build_network`, `projections` and `tiny`, and may define `configure`.

    Args:
        network: the network; it is put into evaluation mode, and its parameters need no gradient.
        space: "w" or "z".
        classes: names of the network's classes; else they are numbered.
        truncation_cutoff: how many rows of w truncation changes, from the first; None for all.

    Attributes:
        family: the family's name in messages.
        truncation_cutoff: the family's default of the option `cutoff`.
    """

    family: ClassVar[str]
    truncation_cutoff: ClassVar[int | None] = None
    settings: ClassVar[type[Settings]] = StyleSettings
    network: StyleNetwork

    def __init__(
        self,
        network: StyleNetwork,
        space: str = "w",
        *,
        classes: Sequence[str] = (),
        truncation_cutoff: int | None = None,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        network.fold()
        mapping = network.mapping
        self.classes = name_classes(classes, mapping.classes)
        if space == "z":
            self.space = LatentSpace("z", mapping.z_dim)
        else:
            self.space = LatentSpace("w", mapping.w_dim, network.num_ws)
        self._truncated_rows = network.num_ws if truncation_cutoff is None else min(truncation_cutoff, network.num_ws)
        side = network.img_resolution
        self.resolution = side if isinstance(side, tuple) else (side, side)
        self.channels = network.img_channels

    @classmethod
    @abstractmethod
    def build_network(cls, state: State, config: Mapping[str, Any]) -> StyleNetwork:
        """Build the network whose sizes a canonical state and its config give; its weights are not filled in.

        Args:
            state: the canonical state.
            config: what the layout's conversion gave beside it, and the family's options.

        Returns:
            The network, on torch's default device.

        Raises:
            CheckpointError: where state and config fit no network; any `LookupError`, `TypeError` or `ValueError` is
                turned into one.
        """

    @classmethod
    def configure(cls, network: StyleNetwork, config: Mapping[str, Any]) -> None:
        """Apply options to a network whose weights are in place, such as the choice of noise.

        Args:
            network: the network, to be changed in place.
            config: as `build_network` takes it.
        """

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
        """Build the adapter from a canonical state.

        A mean code that the state lacks is estimated from 4096 codes of a fixed seed.

        Args:
            state: the canonical state.
            config: what the layout's conversion gave beside it, and the family's options, of which `lr_mlp`, `classes`
                and `cutoff` are those of all families.
            space: "w", the default, or "z".
            device: where the network computes.
            dtype: in which type.

        Returns:
            The adapter.

        Raises:
            CheckpointError: if the state does not fit.
            UnknownNameError: for any other space.
        """
        if space not in {None, "w", "z"}:
            raise unknown_name(f"space of a {cls.family}", str(space), ["w", "z"])
        state = rescale_mapping(state, config)
        # The mean code is a buffer of the network, so that loading needs a tensor for it.
        placeholder = {} if "mapping.mean" in state else zero_w_avg(state)
        network = build_module(
            lambda: cls.build_network(state, config), {**state, **placeholder}, f"the {cls.family} file"
        )
        cls.configure(network, config)
        adapter = cls(
            to_device(network, device, dtype),
            space or "w",
            classes=config.get("classes", ()),
            truncation_cutoff=config.get("cutoff", cls.truncation_cutoff),
        )
        if placeholder:
            adapter._estimate_w_avg()
        return adapter

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a standard normal distribution, and map it to w in an adapter for w.

        Args:
            count: how many codes.
            generator: the source of random numbers, on the CPU.
            labels: (count,), or None to draw them uniformly.
            truncation: ψ of w ← w_avg + ψ (w − w_avg), in the first rows (the truncation trick, Karras et al., CVPR
                2019, appendix B). In z it is kept beside the codes, and applied where `synthesize` maps them.

        Returns:
            The codes.
        """
        if self.space.name == "z":
            z, drawn = self._draw(count, generator)
            return Codes(z, drawn if labels is None else labels, truncation)
        w, labels = self._draw_w(count, generator, labels)
        return Codes(self._broadcast(w, truncation, labels), labels, truncation)

    def synthesize(self, codes: Codes) -> Tensor:
        """Render whole images.

        Args:
            codes: n codes of the adapter's space.

        Returns:
            (n, channels, height, width).

        Raises:
            CodesError: for codes z of a conditional network without labels.
        """
        images: Tensor = self.network(self._w(codes))
        return images

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render a region, computing only the window of each layer that it needs.

        Args:
            codes: n codes of the adapter's space.
            region: p pixels of the image.

        Returns:
            (n, channels, p), in row-major order.

        Raises:
            CodesError: for codes z of a conditional network without labels.
        """
        window = Window.around(region)
        return Patch(self.network(self._w(codes), window), window).pixels(region)

    @property
    def needs_labels(self) -> bool:
        """Whether rendering reads labels: only where z is mapped."""
        return bool(self.classes) and self.space.name == "z"

    def _w(self, codes: Codes) -> Tensor:
        """Return the rows of w (n, num_ws, w_dim) of codes of either space."""
        if self.space.name == "w":
            return codes.latents
        if self.classes and codes.labels is None:
            raise CodesError(f"this {self.family} is conditional: its codes z need labels")
        return self._broadcast(self._map(codes.latents, codes.labels), codes.truncation, codes.labels)

    def _map(self, z: Tensor, labels: Tensor | None) -> Tensor:
        one_hot = None
        if labels is not None and self.classes:
            one_hot = torch.nn.functional.one_hot(labels, len(self.classes)).to(z)
        w: Tensor = self.network.mapping(z, one_hot)
        return w

    def _draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        z_dim = self.network.mapping.z_dim
        if not self.classes:
            return draw_normal(count, z_dim, generator), None
        return draw_labels(count, z_dim, len(self.classes), generator)

    def _draw_w(self, count: int, generator: torch.Generator, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Draw z and map it: w (count, w_dim), and the labels that it was mapped with."""
        z, drawn = self._draw(count, generator)
        labels = drawn if labels is None else labels
        return self._map(z.to(self.device, self.dtype), None if labels is None else labels.to(self.device)), labels

    def _broadcast(self, w: Tensor, truncation: float | None, labels: Tensor | None = None) -> Tensor:
        """Repeat w (n, w_dim) for each layer, and truncate the first rows: towards their class's mean if it has one."""
        rows = w[:, None].expand(-1, self.network.num_ws, -1)
        if truncation is None:
            return rows.clone()
        # w_avg + ψ (w − w_avg)
        w_avg: Tensor = self.network.mapping.w_avg
        if w_avg.ndim == 2 and labels is not None:
            w_avg = w_avg[labels.to(w_avg.device), None]
        first, rest = rows[:, : self._truncated_rows], rows[:, self._truncated_rows :]
        return torch.cat([w_avg + truncation * (first - w_avg), rest], dim=1)

    def _estimate_w_avg(self) -> None:
        generator = torch.Generator().manual_seed(0)
        for _ in range(_BATCHES):
            w, _ = self._draw_w(_BATCH, generator, None)
            self.network.mapping.w_avg.add_(w.mean(dim=0) / _BATCHES)


def choose_noise(layers: Iterable[nn.Module], config: Mapping[str, Any]) -> None:
    """Apply the options `noise` and `noise_seed`.

    Args:
        layers: modules with the buffers `noise_const`, the noise itself, and, for "none", `noise_strength`, its factor.
        config: `noise` is "stored" (the file's own, the default), "none", or "drawn", anew from `noise_seed`.
    """
    noise = config.get("noise", "stored")
    generator = torch.Generator().manual_seed(config.get("noise_seed", 0))
    for layer in layers:
        noise_const = layer.get_buffer("noise_const")
        if noise == "none":
            layer.get_buffer("noise_strength").zero_()
        elif noise == "drawn":
            # One stream for all layers: the noise of a layer depends on the sizes of those before it.
            noise_const.copy_(torch.randn(noise_const.shape, generator=generator))
