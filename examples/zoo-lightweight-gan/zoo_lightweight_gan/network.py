"""The package's own generator, built to fit a state, with fixed noise."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from typing import Any

import torch
from torch import Tensor, nn

from zoo import CheckpointError
from zoo_lightweight_gan.library import load_library


class FixedNoise(nn.Module):
    """The package's noise layer with fixed noise.

    Args:
        layer: the package's layer.
        noise: (1, 1, side, side).

    """

    def __init__(self, layer: nn.Module, noise: Tensor) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("noise", noise, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Add the noise.

        Args:
            x: (n, channels, side, side).

        Returns:
            The sum, of the same shape.

        """
        total: Tensor = self.layer(x, self.noise)
        return total


class Gate(nn.Module):
    """nn.GLU over channels, written out, because torch cannot vectorise forward-mode derivatives of nn.GLU."""

    def forward(self, x: Tensor) -> Tensor:
        """Multiply one half of the channels by the sigmoid of the other.

        Args:
            x: (n, 2 channels, height, width).

        Returns:
            (n, channels, height, width).

        """
        values, gates = x.chunk(2, dim=1)
        return values * gates.sigmoid()


def settings(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read the arguments of the package's generator from the keys and shapes of a state.

    Args:
        state: the tensors of a generator.

    Returns:
        Keyword arguments of the package's `Generator`.

    Raises:
        CheckpointError: they are not those of such a generator.

    """
    first = state.get("initial_conv.0.weight")
    last = state.get("out_conv.weight")
    if first is None or first.ndim != 4 or last is None or last.ndim != 4:
        raise CheckpointError("a lightweight-gan has the 4-d weights initial_conv.0.weight and out_conv.weight")
    channels = last.shape[0]
    if channels not in {1, 3, 4}:
        raise CheckpointError(f"this generator makes {channels} channels: those of lightweight-gan make 1, 3 or 4")
    convolutions = [state[key] for index in range(len(state)) if (key := f"layers.{index}.0.2.1.weight") in state]
    widths = [weight.shape[0] // 2 for weight in convolutions]
    if not widths:
        raise CheckpointError("a generator of lightweight-gan has weights layers.0.0.2.1.weight and so on")
    # Level r has min(fmap_max, 2^(coef - r)) channels, so any level below the maximum gives coef = log2(width) + r.
    coefs = [round(log2(width)) + level for level, width in enumerate(widths[:6], start=2) if 0 < width < widths[0]]
    return {
        "image_size": 2 ** (len(widths) + 2),
        "latent_dim": first.shape[0],
        "greyscale": channels == 1,
        "transparent": channels == 4,
        "fmap_max": widths[0],
        "fmap_inverse_coef": coefs[0] if coefs else 12,
        "attn_res_layers": [2 ** (index + 2) for index in range(len(widths)) if f"layers.{index}.2.norm.g" in state],
        "freq_chan_attn": any(key.endswith(".1.dct_weights") for key in state),
    }


def build(arguments: Mapping[str, Any], *, smoothed: bool) -> nn.Module:
    """Build the package's generator.

    Args:
        arguments: its keyword arguments.
        smoothed: whether upsampling filters the image (the trainer's ``antialias``).

    Returns:
        The generator, with random weights.

    """
    library = load_library()
    network: nn.Module = library.module.Generator(**arguments)
    _sequential(network, "initial_conv")[2] = Gate()
    for upsampling in _upsamplings(network):
        upsampling[1] = library.blur() if smoothed else nn.Identity()
        upsampling[5] = Gate()
    return network


def fix_noise(network: nn.Module, seed: int | None) -> None:
    """Fix the noise of each noise layer.

    Args:
        network: the package's generator; it is changed in place.
        seed: the seed of the noise; None for zero noise.

    """
    generator = torch.Generator().manual_seed(seed or 0)
    for index, upsampling in enumerate(_upsamplings(network), start=3):
        noise = torch.randn(1, 1, 2**index, 2**index, generator=generator)
        upsampling[3] = FixedNoise(upsampling[3], torch.zeros_like(noise) if seed is None else noise)


def _upsamplings(network: nn.Module) -> list[nn.Sequential]:
    """List the upsampling part of every layer: 0 pixel shuffle, 1 filter, 2 convolution, 3 noise, 4 norm, 5 gate."""
    count = len(list(network.get_submodule("layers").children()))
    return [_sequential(network, f"layers.{index}.0") for index in range(count)]


def _sequential(network: nn.Module, name: str) -> nn.Sequential:
    module = network.get_submodule(name)
    if not isinstance(module, nn.Sequential):
        raise TypeError(f"{name} of the package's generator is no sequence of layers: another version than 1.2.1?")
    return module
