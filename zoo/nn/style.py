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
from zoo.nn.placement import to_device
from zoo.nn.style_network import ModulatedNetwork, StyleNetwork, StyleSettings, rescale_mapping, zero_w_avg
from zoo.nn.window import Patch, Window

# A missing mean code is estimated from 64 batches of 64 codes. Batches are small, since the layers of a mapping can be
# very wide even in a small file.
_BATCHES = 64
_BATCH = 64

# How messages call such a mean code.
ESTIMATED_W_AVG = f"the mean of {_BATCHES * _BATCH:,} codes"


class StyleAdapter(Adapter):
    """A generator in w (a row for each layer), in z, or, if it is a `ModulatedNetwork`, in StyleSpace, called s.

    A conditional generator needs labels only where z is mapped: codes w contain their class already.

    Families set `family`, and `spaces` if there is s; they define `build_network`, `projections` and `tiny`, and may
    define `configure`.

    Args:
        network: the network; it is put into evaluation mode, and its parameters need no gradient.
        space: "w", "z" or "s".
        classes: names of the network's classes; else they are numbered.
        truncation_cutoff: how many rows of w truncation changes, from the first; None for all.

    Attributes:
        family: the family's name in messages.
        spaces: the spaces that the family's networks have.
        truncation_cutoff: the family's default of the option `cutoff`.
    """

    family: ClassVar[str]
    spaces: ClassVar[Sequence[str]] = ("w", "z")
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
        styles = network.style_sizes() if isinstance(network, ModulatedNetwork) else ()
        if space == "z":
            self.space = LatentSpace("z", mapping.z_dim)
        elif space == "s":
            self.space = LatentSpace("s", sum(styles), styles=styles)
        else:
            self.space = LatentSpace("w", mapping.w_dim, network.num_ws, styles)
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
            space: one of `spaces`; "w" by default.
            device: where the network computes.
            dtype: in which type.

        Returns:
            The adapter.

        Raises:
            CheckpointError: if the state does not fit.
            UnknownNameError: for any other space.
        """
        if space is not None and space not in cls.spaces:
            raise unknown_name(f"space of a {cls.family}", space, cls.spaces)
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
        """Draw z from a standard normal distribution; map it to w, and w to styles, as far as the space asks for.

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
        latents = self._broadcast(w, truncation, labels)
        if isinstance(self.network, ModulatedNetwork) and self.space.name == "s":
            latents = torch.cat(self.network.styles(latents), dim=1)
        return Codes(latents, labels, truncation)

    def synthesize(self, codes: Codes) -> Tensor:
        """Render whole images.

        Args:
            codes: n codes of the adapter's space.

        Returns:
            (n, channels, height, width).

        Raises:
            CodesError: for codes z of a conditional network without labels.
        """
        return self._render(codes, None)

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
        return Patch(self._render(codes, window), window).pixels(region)

    @property
    def needs_labels(self) -> bool:
        """Whether rendering reads labels: only where z is mapped."""
        return bool(self.classes) and self.space.name == "z"

    def _render(self, codes: Codes, window: Window | None) -> Tensor:
        if isinstance(self.network, ModulatedNetwork) and self.space.name == "s":
            return self.network.synthesize(codes.latents.split(self.space.styles, dim=1), window)
        images: Tensor = self.network(self._w(codes), window)
        return images

    def _w(self, codes: Codes) -> Tensor:
        """Return the rows of w (n, num_ws, w_dim) of codes w or z."""
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
