"""A generator that is small, smooth and known, for the checks of analyses: it does what it is told to, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from zoo.core.adapter import Adapter, Projection, State
from zoo.core.codes import Codes, LatentSpace, draw_normal
from zoo.core.region import Region
from zoo.errors import ContractError
from zoo.plugins.entries import CAPABILITIES

SIDE, DIM = 8, 6


class Specimen(Adapter):
    """Images tanh(Σ A_r w_r): every row r of a code acts on all pixels by weights of its own.

    It does what `abilities` say: without "projection" or "region", what asks for them is refused, and without
    "derivative" there is none. `gain` 0 makes images that no code changes, and NaN ones that hold no number.
    """

    def __init__(
        self,
        layers: int = 1,
        *,
        abilities: frozenset[str] = frozenset(CAPABILITIES),
        gain: float = 1.0,
        seed: int = 0,
    ) -> None:
        weights = torch.randn(layers, 3 * SIDE**2, DIM, generator=torch.Generator().manual_seed(seed))
        self.network = nn.Module()
        self.network.weights = nn.Parameter(weights * (gain / DIM**0.5), requires_grad=False)
        self.abilities = abilities
        self.space = LatentSpace("z" if layers == 1 else "w", DIM, layers)
        self.resolution = (SIDE, SIDE)

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
        """Build a specimen of as many layers as a state has; nothing else is read."""
        return cls(len(state["weights"]))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build a specimen of one row."""
        return cls(seed=seed)

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw from a standard normal, the same in every row."""
        drawn = draw_normal(count, DIM, generator)
        return Codes(drawn if self.space.layers == 1 else drawn[:, None].repeat(1, self.space.layers, 1))

    def projections(self) -> list[Projection]:
        """Return each row's weights."""
        self._require("projection")
        return [Projection(row, weight) for row, weight in enumerate(self.network.get_parameter("weights"))]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render (n, 3, 8, 8)."""
        self._require("region")
        rows = codes.latents if self.space.layers > 1 else codes.latents[:, None]
        if "derivative" not in self.abilities:
            rows = rows.detach()
        sums = torch.einsum("lpd,nld->np", self.network.get_parameter("weights"), rows)
        return torch.tanh(sums).view(-1, 3, SIDE, SIDE)

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Cut the region from the image."""
        self._require("region")
        return super().region_output(codes, region)

    def _require(self, ability: str) -> None:
        if ability not in self.abilities:
            raise ContractError(f"{ability} was asked for")
