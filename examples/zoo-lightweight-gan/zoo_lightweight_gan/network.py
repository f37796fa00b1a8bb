"""The package's own generator, built to fit a state, and with noise that stays the same."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from typing import Any

import torch
from torch import Tensor, nn

from zoo import CheckpointError
from zoo_lightweight_gan.library import load_library


class FixedNoise(nn.Module):
    """The package's noise layer, always with the same noise (1, 1, side, side)."""

    def __init__(self, layer: nn.Module, noise: Tensor) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("noise", noise, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Add the noise to x (n, channels, side, side)."""
        found: Tensor = self.layer(x, self.noise)
        return found


class Gate(nn.Module):
    """What nn.GLU computes over channels, written out: torch cannot push many tangents through nn.GLU at a time."""

    def forward(self, x: Tensor) -> Tensor:
        """Gate the first half of x (n, 2 channels, h, w) by the second."""
        values, gates = x.chunk(2, dim=1)
        return values * gates.sigmoid()


def settings(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read the arguments of the package's generator from a state's keys and shapes. Raises `CheckpointError`."""
    first, last = state.get("initial_conv.0.weight"), state.get("out_conv.weight")
    if first is None or first.ndim != 4 or last is None or last.ndim != 4:
        raise CheckpointError("a lightweight-gan has the 4-d weights initial_conv.0.weight and out_conv.weight")
    if last.shape[0] != 3:
        raise CheckpointError(f"this generator of lightweight-gan draws {last.shape[0]} channels: only 3 can be read")
    convolutions = [state[key] for index in range(len(state)) if (key := f"layers.{index}.0.2.1.weight") in state]
    widths = [weight.shape[0] // 2 for weight in convolutions]
    if not widths:
        raise CheckpointError("a generator of lightweight-gan has weights layers.0.0.2.1.weight and on")
    narrow = [round(log2(width)) + place for place, width in enumerate(widths[:6], start=2) if 0 < width < widths[0]]
    return {
        "image_size": 2 ** (len(widths) + 2),
        "latent_dim": first.shape[0],
        "fmap_max": widths[0],
        "fmap_inverse_coef": narrow[0] if narrow else 12,
        "attn_res_layers": [2 ** (index + 2) for index in range(len(widths)) if f"layers.{index}.2.norm.g" in state],
        "freq_chan_attn": any(key.endswith(".1.dct_weights") for key in state),
    }


def make(chosen: Mapping[str, Any], *, smoothed: bool) -> nn.Module:
    """Build the package's generator; `smoothed` says whether its upsampling filters (the trainer's ``antialias``)."""
    library = load_library()
    network: nn.Module = library.module.Generator(**chosen)
    _sequential(network, "initial_conv")[2] = Gate()
    for upsampling in _upsamplings(network):
        upsampling[1] = library.blur() if smoothed else nn.Identity()
        upsampling[5] = Gate()
    return network


def fix_noise(network: nn.Module, seed: int | None) -> None:
    """Give each noise layer noise of its own that is drawn once, or with None no noise."""
    generator = torch.Generator().manual_seed(seed or 0)
    for index, upsampling in enumerate(_upsamplings(network), start=3):
        noise = torch.randn(1, 1, 2**index, 2**index, generator=generator)
        upsampling[3] = FixedNoise(upsampling[3], torch.zeros_like(noise) if seed is None else noise)


def _upsamplings(network: nn.Module) -> list[nn.Sequential]:
    """List the upsampling part of every layer: 0 pixel shuffle, 1 filter, 2 convolution, 3 noise, 4 norm, 5 gate."""
    count = len(list(network.get_submodule("layers").children()))
    return [_sequential(network, f"layers.{index}.0") for index in range(count)]


def _sequential(network: nn.Module, name: str) -> nn.Sequential:
    found = network.get_submodule(name)
    if not isinstance(found, nn.Sequential):
        raise TypeError(f"{name} of the package's generator is no sequence of layers: another version than 1.2.1?")
    return found
