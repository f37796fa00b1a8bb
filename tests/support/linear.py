"""Generators that are linear in the code, so that their Jacobians are known exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from zoo import Adapter, Codes, LatentSpace, Projection, State
from zoo.core.sampling import draw_normal
from zoo.models.choices import OpeningChoices
from zoo.models.model import Model
from zoo.registry.cards import Card, Licence, Weights
from zoo.registry.sources import Source


class Linear(Adapter):
    """The grey image is a matrix (height * width, dim) times the code."""

    def __init__(self, rows: Tensor, resolution: tuple[int, int]) -> None:
        self.network = nn.Linear(rows.shape[1], rows.shape[0], bias=False, dtype=rows.dtype).requires_grad_(False)
        self.network.weight.copy_(rows)
        self.space = LatentSpace("z", rows.shape[1])
        self.resolution = resolution

    @classmethod
    def load(cls, state: State, config: Mapping[str, Any], **_: Any) -> Self:
        return cls(state["rows"], config["resolution"])

    @classmethod
    def tiny(cls, seed: int) -> Self:
        return cls(torch.randn(64, 6, generator=torch.Generator().manual_seed(seed)), (8, 8))

    @classmethod
    def with_grams(cls, top: Tensor, bottom: Tensor) -> Self:
        """Build a generator whose upper and lower half have these Gram matrices (dim, dim), divided by their pixels."""
        dim = len(top)
        return cls(torch.cat([_root(matrix) * dim**0.5 for matrix in (top, bottom)]), (2, dim))

    def sample(
        self, count: int, generator: torch.Generator, labels: Tensor | None = None, truncation: float | None = None
    ) -> Codes:
        return Codes(draw_normal(count, self.space.dim, generator))

    def projections(self) -> list[Projection]:
        return [Projection(0, self.network.get_parameter("weight"))]

    def synthesize(self, codes: Codes) -> Tensor:
        grey: Tensor = self.network(codes.latents).view(-1, 1, *self.resolution)
        return grey.expand(-1, 3, -1, -1)


class Banded(Linear):
    """A generator in w: each row of the code makes a horizontal band of the image, all with the same weights."""

    def __init__(self, rows: Tensor, layers: int, size: tuple[int, int]) -> None:
        super().__init__(rows, (layers * size[0], size[1]))
        self.space = LatentSpace("w", rows.shape[1], layers=layers)

    @classmethod
    def of(cls, layers: int, seed: int = 0) -> Self:
        """Build a generator of bands of 4x16 pixels from codes of 6 numbers."""
        return cls(0.1 * torch.randn(64, 6, generator=torch.Generator().manual_seed(seed)), layers, (4, 16))

    def sample(
        self, count: int, generator: torch.Generator, labels: Tensor | None = None, truncation: float | None = None
    ) -> Codes:
        drawn = draw_normal(count, self.space.dim, generator)
        return Codes(drawn[:, None].repeat(1, self.space.layers, 1))

    def projections(self) -> list[Projection]:
        weight = self.network.get_parameter("weight")
        return [Projection(layer, weight) for layer in range(self.space.layers)]


def model_of(adapter: Adapter, name: str = "test.model") -> Model:
    card = Card(
        name=name,
        adapter="dcgan",
        summary="a test",
        resolution=adapter.resolution[0],
        space=adapter.space.name,
        dim=adapter.space.dim,
        classes=adapter.classes,
        weights=Weights(sources=(Source("nowhere.pt"),)),
        licence=Licence("none"),
    )
    return Model(card, adapter, "0" * 64, "test", OpeningChoices(name))


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root
