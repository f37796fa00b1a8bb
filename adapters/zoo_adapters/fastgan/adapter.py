"""The FastGAN adapter: a normal code z, whose first transposed convolution is the projection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from zoo import Adapter, Codes, LatentSpace, Projection, State, unknown_name
from zoo.checkpoints import build_module
from zoo.core import Region, Settings, draw_normal
from zoo.nn import Patch, Window, choose_noise, to_device
from zoo_adapters.fastgan.checkpoint import LAYOUTS, network_from_state
from zoo_adapters.fastgan.lightweight_network import LightweightGenerator
from zoo_adapters.fastgan.network import FastGANGenerator, GatedConvolution, LevelSpec, untrained


class FastGANSettings(Settings):
    """What a FastGAN's file says beside the weights and the options."""

    activation: Literal["tanh", "none"] = "none"


class FastGAN(Adapter):
    """A FastGAN generator, with codes z.

    Families of the same kind set `family`, and define `build_network` and `tiny`.

    Args:
        network: the network; it is put into evaluation mode, and its parameters need no gradient.
        noise_seed: the seed of noise that is the same in all images; None for no noise.

    Attributes:
        family: the family's name in messages.
    """

    family: ClassVar[str] = "FastGAN"

    layouts = LAYOUTS
    settings: ClassVar[type[Settings]] = FastGANSettings
    network: FastGANGenerator | LightweightGenerator

    def __init__(self, network: FastGANGenerator | LightweightGenerator, noise_seed: int | None = None) -> None:
        self.network = network.eval().requires_grad_(False)
        self.space = LatentSpace("z", len(network.start))
        self.resolution = (network.img_resolution, network.img_resolution)
        self.channels = network.img_channels
        if noise_seed is not None:
            layers = [layer for layer in network.modules() if isinstance(layer, GatedConvolution)]
            choose_noise(layers, {"noise": "drawn", "noise_seed": noise_seed})

    @classmethod
    def build_network(cls, state: State, config: Mapping[str, Any]) -> FastGANGenerator | LightweightGenerator:
        """Build the network whose sizes the shapes of a canonical state give; its weights are not filled in.

        Args:
            state: the canonical state.
            config: what the layout's conversion gave beside it, and the family's options.

        Returns:
            The network.
        """
        return network_from_state(state, config)

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
        """Build the adapter from a canonical state, whose shapes give the sizes.

        Args:
            state: the canonical state.
            config: what the layout's conversion gave beside it, and the options.
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
            raise unknown_name(f"space of a {cls.family}", str(space), ["z"])
        network = build_module(lambda: cls.build_network(state, config), state, f"the {cls.family} file")
        adapter = cls(network, config.get("noise_seed", 0) if config.get("noise") == "drawn" else None)
        to_device(network, device, dtype)
        return adapter

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 64x64 pixels, with noise, an excited level and codes of 6 numbers.

        Args:
            seed: the same seed gives the same weights.

        Returns:
            The adapter.
        """
        specs = [LevelSpec(4, 3, convolutions=2, noisy=True), LevelSpec(3, 3), LevelSpec(3, 2)]
        network = FastGANGenerator(6, 4, [*specs, LevelSpec(2, 2, excited_by=0, exciting_channels=4)])
        return cls(untrained(network, seed), noise_seed=0)

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a normal distribution.

        Args:
            count: how many codes.
            generator: the source of random numbers, on the CPU.
            labels: not read: there are no classes.
            truncation: the standard deviation; None for 1.

        Returns:
            The codes.
        """
        scale = 1.0 if truncation is None else truncation
        return Codes(draw_normal(count, self.space.dim, generator) * scale, labels, truncation)

    def projections(self) -> list[Projection]:
        """Return the first transposed convolution.

        Returns:
            One projection, with a row for each (channel, tap).
        """
        return [Projection(0, self.network.start.flatten(1).T)]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render whole images.

        Args:
            codes: n codes z.

        Returns:
            (n, channels, height, width); without an output activation, what the last convolution gives.
        """
        images: Tensor = self.network(codes.latents)
        return images

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render a region; maps that excite later ones are computed whole, up to 32x32 pixels.

        Args:
            codes: n codes z.
            region: p pixels of the image.

        Returns:
            (n, channels, p), in row-major order.
        """
        window = Window.around(region)
        return Patch(self.network(codes.latents, window), window).pixels(region)
