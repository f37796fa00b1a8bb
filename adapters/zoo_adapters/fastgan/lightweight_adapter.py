"""The lightweight-gan adapter: FastGAN's codes z and noise, and networks of other layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from zoo import State
from zoo.core import Settings
from zoo_adapters.fastgan.adapter import FastGAN
from zoo_adapters.fastgan.lightweight_checkpoint import LAYOUTS, network_from_state
from zoo_adapters.fastgan.lightweight_layers import LightweightSpec
from zoo_adapters.fastgan.lightweight_network import LightweightGenerator, untrained


class LightweightGAN(FastGAN):
    """A generator of the package lightweight-gan, with codes z, of grey, RGB or RGBA images."""

    family = "lightweight-gan"
    layouts = LAYOUTS
    settings = Settings

    @classmethod
    def build_network(cls, state: State, config: Mapping[str, Any]) -> LightweightGenerator:
        """Build the network; see `FastGAN.build_network`.

        Args:
            state: the canonical state.
            config: `upsampling`, where it is not learned.

        Returns:
            The network, its weights not filled in.
        """
        return network_from_state(state, config)

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 64x64 pixels, with noise, filters, attention and excitation.

        Args:
            seed: the same seed gives the same weights; odd ones make a network that excites by frequencies and
                upsamples bilinearly.

        Returns:
            The adapter.
        """
        upsampling = "bilinear" if seed % 2 else "nearest"
        specs = [
            LightweightSpec(4, 4, 3, attention="both", blurred=True, excites=2, frequencies=bool(seed % 2)),
            LightweightSpec(3, 3, 3),
            LightweightSpec(3, 3, 2, upsampling=upsampling, kernel=3, noisy=False),
            LightweightSpec(2, 2, 2, upsampling=upsampling, blurred=True),
        ]
        return cls(untrained(LightweightGenerator(6, specs), seed), noise_seed=0)
