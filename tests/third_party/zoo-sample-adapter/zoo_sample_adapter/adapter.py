"""The adapter of mosaics: codes w have a row for each of four layers, whose affine maps are the projections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from zoo import Adapter, CheckpointError, Codes, LatentSpace, Projection, State, unknown_name
from zoo_sample_adapter.checkpoint import LAYOUTS
from zoo_sample_adapter.network import LAYERS, Generator, untrained


class Mosaic(Adapter):
    """A mosaic generator in w.

    Args:
        network: the network; it is put into evaluation mode.
        gain: the contrast of the images.
    """

    layouts = LAYOUTS
    network: Generator

    def __init__(self, network: Generator, gain: float = 1.0) -> None:
        self.network = network.eval().requires_grad_(False)
        self.gain = gain
        self.space = LatentSpace("w", network.mean.shape[0], layers=LAYERS)
        side = 4 * network.constant.shape[-1]
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
        """Build the network from its own keys; sizes are read from the shapes. `config` may have the option `gain`."""
        if space not in {None, "w"}:
            raise unknown_name("space of a mosaic", str(space), ["w"])
        constant = state.get("constant")
        mean = state.get("mean")
        if constant is None or constant.ndim != 3 or mean is None or mean.ndim != 1:
            raise CheckpointError("a mosaic has a 'constant' (width, side, side) and a 'mean' (dim)")
        broken = [key for key, tensor in state.items() if not bool(torch.isfinite(tensor).all())]
        if broken:
            raise CheckpointError(f"the mosaic file holds numbers that are not finite, in {broken[0]}")
        network = Generator(mean.shape[0], constant.shape[0], constant.shape[1])
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise CheckpointError(f"the mosaic file does not fit the network: {error}") from None
        return cls(network.to(device, dtype), config.get("gain", 1.0))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels with codes of 4 x 6 numbers."""
        return cls(untrained(dim=6, width=5, side=4, seed=seed))

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z code by code, map it to w, truncate w towards its mean, and repeat it for every layer."""
        with torch.no_grad():
            rows = [self._draw(generator) for _ in range(count)]
        w = torch.cat(rows)
        if truncation is not None:
            w = self.network.mean + truncation * (w - self.network.mean)
        return Codes(w[:, None].repeat(1, LAYERS, 1), None, truncation)

    def projections(self) -> list[Projection]:
        """Return the weight of each layer's affine map."""
        return [
            Projection(index, self.network.get_parameter(f"layers.{index}.affine.weight")) for index in range(LAYERS)
        ]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render codes and scale the contrast."""
        images: Tensor = self.network(codes.latents)
        return self.gain * images

    def _draw(self, generator: torch.Generator) -> Tensor:
        z = torch.randn(1, self.space.dim, generator=generator)
        return self.network.style(z.to(self.device, self.dtype))
