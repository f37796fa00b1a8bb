"""A small, smooth generator of known form, for the checks of analyzers and projectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn

from zoo.core.adapter import Adapter, Projection, State
from zoo.core.analyzer import Scorer
from zoo.core.codes import Codes, LatentSpace
from zoo.core.region import Region
from zoo.core.sampling import draw_normal
from zoo.errors import ContractError
from zoo.plugins.entries import CAPABILITIES

if TYPE_CHECKING:
    from zoo.registry.cards import Card

# Pixels a side of the images, and components of a code.
SIDE = 8
DIM = 6


class ReferenceAdapter(Adapter):
    """Images tanh(b_y + Σ A_r w_r): each row w_r of a code acts on all pixels through a matrix A_r of its own.

    b_y is a picture of the class y, if there are classes; else it is 0.

    Args:
        layers: the number of rows of a code; with 1 the space is called z, otherwise w.
        capabilities: what the network can do. Without "projection" or "region", calls that need it raise
            `ContractError`; without "derivative", images do not depend on the code as far as torch can tell.
        gain: a factor of the weights. With 0 no code changes the image, with NaN images are NaN.
        seed: determines the weights.
        classes: how many classes codes have; 0 for none.

    """

    def __init__(
        self,
        layers: int = 1,
        *,
        capabilities: frozenset[str] = frozenset(CAPABILITIES),
        gain: float = 1.0,
        seed: int = 0,
        classes: int = 0,
    ) -> None:
        weights = torch.randn(layers, 3 * SIDE**2, DIM, generator=torch.Generator().manual_seed(seed))
        self.network = nn.Module()
        self.network.weights = nn.Parameter(weights * (gain / DIM**0.5), requires_grad=False)
        self.network.biases = nn.Parameter(
            torch.randn(classes, 3 * SIDE**2, generator=torch.Generator().manual_seed(seed + 1)), requires_grad=False
        )
        self.classes = tuple(f"class {index}" for index in range(classes))
        self.capabilities = capabilities
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
        """Build an adapter with as many layers as the state has. Its weights are drawn, not read."""
        return cls(len(state["weights"]))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an adapter with a single row."""
        return cls(seed=seed)

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw from a standard normal distribution, the same in every row; classes are drawn evenly."""
        drawn = draw_normal(count, DIM, generator)
        if self.classes and labels is None:
            labels = torch.randint(len(self.classes), (count,), generator=generator)
        return Codes(drawn if self.space.layers == 1 else drawn[:, None].repeat(1, self.space.layers, 1), labels)

    def projections(self) -> list[Projection]:
        """Return the matrix of each row."""
        self._require("projection")
        return [Projection(row, weight) for row, weight in enumerate(self.network.get_parameter("weights"))]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render (n, 3, 8, 8)."""
        self._require("region")
        rows = codes.latents if self.space.layers > 1 else codes.latents[:, None]
        if "derivative" not in self.capabilities:
            rows = rows.detach()
        sums = torch.einsum("lpd,nld->np", self.network.get_parameter("weights"), rows)
        if codes.labels is not None:
            sums = sums + self.network.get_parameter("biases")[codes.labels]
        return torch.tanh(sums).view(-1, 3, SIDE, SIDE)

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Cut the region from the image."""
        self._require("region")
        return super().region_output(codes, region)

    def _require(self, capability: str) -> None:
        if capability not in self.capabilities:
            raise ContractError(f"{capability} was used")


class ReferenceScorer(Scorer):
    """The brightness of the upper and of the lower half of an image, for analyses that look for given attributes."""

    attributes: ClassVar[Sequence[str]] = ("upper", "lower")

    def fits(self, card: Card) -> bool:
        """Fit every model."""
        return True

    def score(self, images: Tensor) -> Tensor:
        """Return the means (n, 2) of both halves of images (n, 3, h, w)."""
        return torch.stack([half.mean(dim=(1, 2, 3)) for half in images.chunk(2, dim=2)], dim=1)
