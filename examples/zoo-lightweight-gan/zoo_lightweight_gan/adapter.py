"""A generator of lightweight-gan as zoo sees it: a normal code z, the first transposed convolution as projection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from zoo import Adapter, Codes, LatentSpace, Layout, Projection, State, unknown_name
from zoo.checkpoints import build_module
from zoo.core import draw_normal
from zoo_lightweight_gan.network import fix_noise, make, settings

_AVERAGE, _SMOOTHED = "GE.", "layers.0.0.1.f"


def _average(state: State) -> State:
    """Take the averaged generator of a checkpoint: the trainer saves ``GAN.GE.…``, others the bare ``GE.…``."""
    keys = {key.removeprefix("GAN."): key for key in state}
    return {key.removeprefix(_AVERAGE): state[whole] for key, whole in keys.items() if key.startswith(_AVERAGE)}


class LightweightGAN(Adapter):
    """A generator of the package lightweight-gan, for pictures of three channels."""

    layouts = (
        Layout(
            "lightweight-gan",
            detect=lambda state, meta: {"initial_conv.0.weight", "out_conv.weight"} <= _average(state).keys(),
            convert=lambda state, meta: (_average(state), {}),
            about="checkpoints of the package lightweight-gan, of which the averaged generator is taken",
            required_keys=("GE.initial_conv.0.weight", "GE.out_conv.weight"),
            averaged=True,
        ),
    )

    def __init__(self, network: nn.Module, noise_seed: int | None = None) -> None:
        self.network = network.eval().requires_grad_(False)
        fix_noise(network, noise_seed)
        self.space = LatentSpace("z", self._first.shape[0])
        side = 2 ** (len(list(network.get_submodule("layers").children())) + 2)
        self.resolution = (side, side)

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
        """Build from the package's own keys; sizes are read from the shapes, noise from `noise` and `noise_seed`."""
        if space not in {None, "z"}:
            raise unknown_name("space of a lightweight-gan", str(space), ["z"])
        chosen, smoothed = settings(state), _SMOOTHED in state
        network = build_module(lambda: make(chosen, smoothed=smoothed), state, "the lightweight-gan file")
        adapter = cls(network, config.get("noise_seed", 0) if config.get("noise") == "drawn" else None)
        network.to(device, dtype)
        return adapter

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels with a code of 6 numbers and random statistics."""
        chosen = {"image_size": 16, "latent_dim": 6, "fmap_max": 8}
        network = make(chosen, smoothed=bool(seed % 2))
        randomize(network, seed)
        return cls(network, seed)

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a standard normal, times `truncation`."""
        scale = 1.0 if truncation is None else truncation
        return Codes(draw_normal(count, self.space.dim, generator) * scale, labels, truncation)

    def projections(self) -> list[Projection]:
        """Return the first transposed convolution, a row for each (output channel, tap)."""
        return [Projection(0, self._first.flatten(1).T)]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render (n, 3, h, w); the package's networks draw in [0, 1]."""
        images: Tensor = self.network(codes.latents)
        return 2 * images - 1

    @property
    def _first(self) -> Tensor:
        return self.network.get_parameter("initial_conv.0.weight")


def randomize(network: nn.Module, seed: int) -> None:
    """Fill weights and statistics with random numbers, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point() and not key.endswith((".f", "dct_weights")):
                drawn = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(drawn.abs() + 0.5 if key.endswith("running_var") else drawn * 0.3)
