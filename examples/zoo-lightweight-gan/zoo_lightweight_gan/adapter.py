"""The adapter: codes z are standard normal, and the first transposed convolution is the projection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from zoo import Adapter, Codes, LatentSpace, Layout, Projection, State, unknown_name
from zoo.checkpoints import build_module
from zoo.core import draw_normal
from zoo_lightweight_gan.network import build, fix_noise, settings

# What the keys of the averaged generator begin with.
_PREFIX = "GE."

# The key of the upsampling filter of the first layer; without a filter there is none.
_FILTER_KEY = "layers.0.0.1.f"


def _average(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Return the averaged generator of a checkpoint, which has a trained one beside it."""
    return {key.removeprefix(_PREFIX): tensor for key, tensor in state.items() if key.startswith(_PREFIX)}, {}


class LightweightGAN(Adapter):
    """A generator of the package lightweight-gan, of grey, RGB or RGBA images.

    Args:
        network: the package's generator.
        noise_seed: the seed of its noise; None for no noise.

    """

    layouts = (
        Layout(
            "lightweight-gan",
            _average,
            about="checkpoints of the package lightweight-gan, of which the averaged generator is taken",
            required_keys=(f"{_PREFIX}initial_conv.0.weight", f"{_PREFIX}out_conv.weight"),
            averaged=True,
        ),
    )

    def __init__(self, network: nn.Module, noise_seed: int | None = None) -> None:
        self.network = network.eval().requires_grad_(False)
        fix_noise(network, noise_seed)
        self.space = LatentSpace("z", self._first.shape[0])
        side = 2 ** (len(list(network.get_submodule("layers").children())) + 2)
        self.resolution = (side, side)
        self.channels = network.get_parameter("out_conv.weight").shape[0]

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
        """Build the network from the package's own keys; `config` may have the options `noise` and `noise_seed`."""
        if space not in {None, "z"}:
            raise unknown_name("space of a lightweight-gan", str(space), ["z"])
        arguments = settings(state)
        smoothed = _FILTER_KEY in state
        network = build_module(lambda: build(arguments, smoothed=smoothed), state, "the lightweight-gan file")
        adapter = cls(network, config.get("noise_seed", 0) if config.get("noise") == "drawn" else None)
        network.to(device, dtype)
        return adapter

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels with codes of 6 numbers and random statistics."""
        arguments = {"image_size": 16, "latent_dim": 6, "fmap_max": 8}
        network = build(arguments, smoothed=bool(seed % 2))
        randomize(network, seed)
        return cls(network, seed)

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw standard normal codes, multiplied by `truncation`."""
        scale = 1.0 if truncation is None else truncation
        return Codes(draw_normal(count, self.space.dim, generator) * scale, labels, truncation)

    def projections(self) -> list[Projection]:
        """Return the weight of the first transposed convolution, with a row for each output channel and pixel."""
        return [Projection(0, self._first.flatten(1).T)]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render codes; the package's networks have the range [0, 1], zoo's have [-1, 1]."""
        images: Tensor = self.network(codes.latents)
        return 2 * images - 1

    @property
    def _first(self) -> Tensor:
        return self.network.get_parameter("initial_conv.0.weight")


def randomize(network: nn.Module, seed: int) -> None:
    """Fill weights and statistics with random numbers.

    Args:
        network: the package's generator; it is changed in place.
        seed: determines the numbers.

    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point() and not key.endswith((".f", "dct_weights")):
                drawn = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(drawn.abs() + 0.5 if key.endswith("running_var") else drawn * 0.3)
