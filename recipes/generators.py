"""The networks that are trained: those of the adapters, of small widths, with what only training needs.

Weights are those that act, as adapters keep them. Equalised learning rates (Karras et al., ICLR 2018, section 4.1) are
the same thing seen from the optimiser: a weight that is a constant c times a stored one of unit variance moves, under
Adam, as one that is drawn with standard deviation c and learns c times as fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, one_hot
from zoo_adapters.biggan.adapter import BigGAN
from zoo_adapters.pggan.adapter import PGGAN
from zoo_adapters.pggan.network import PGGANGenerator as Progressive
from zoo_adapters.stylegan.adapter import StyleGAN
from zoo_adapters.stylegan.network import StyleGANGenerator as Styled
from zoo_adapters.stylegan2.adapter import StyleGAN2
from zoo_adapters.stylegan2.network import StyleGAN2Generator as Modulated

from zoo import Adapter
from zoo.nn.progressive import Growth
from zoo.nn.residual_network import BlockSpec, ConditionalNorm
from zoo.nn.residual_network import ResidualGenerator as Residual
from zoo.nn.style import MappingNetwork, StyleNetwork
from zoo.nn.window import Patch

WIDTHS = (128, 128, 64, 32)
"""The channels of all networks' maps, from 4x4 pixels on."""
MAPPING_RATE = 0.01
"""How much slower a mapping learns (Karras et al., CVPR 2019, appendix C)."""
MIXED = 0.5
"""The share of pictures whose rows of w come from two codes (the same, section 3.1)."""
_MOMENTUM = 0.1


@dataclass(frozen=True)
class Rate:
    """A parameter, the standard deviation that it is drawn with, and how fast it learns, of the usual rate."""

    parameter: nn.Parameter
    spread: float
    speed: float


class Trained(ABC):
    """A generator in training. `name` is that of the model; `dim` and `classes` what its codes are."""

    adapter: ClassVar[type[Adapter]]
    grows: ClassVar[bool] = False
    """Whether its level of detail changes in training (`zoo.nn.progressive`)."""

    def __init__(self, network: nn.Module, dim: int, classes: int) -> None:
        self.network, self.dim, self.classes = network, dim, classes
        clear_biases(network)

    @abstractmethod
    def render(self, z: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Make images (n, 3, side, side) of codes (n, dim) and labels (n,); `generator` is for further chance."""

    def rates(self) -> list[Rate]:
        """Give every parameter its spread and speed."""
        return [rate for module in self.network.modules() for rate in self._rates_of(module)]

    def grow(self, lod: float) -> None:  # noqa: B027 (most networks do not grow)
        """Set the level of detail, where the network grows."""

    def config(self) -> dict[str, Any]:
        """What the adapter is told beside the weights."""
        return {}

    def finish(self, generator: torch.Generator) -> None:  # noqa: B027 (in some nothing follows)
        """Bring up to date what is not learnt but follows from the weights."""

    def _rates_of(self, module: nn.Module) -> Iterator[Rate]:
        for parameter in module.parameters(recurse=False):
            if parameter.ndim < 2:
                yield Rate(parameter, 0.0, 1.0)
            elif parameter is getattr(module, "constant", None) or parameter is getattr(module, "embed", None):
                yield Rate(parameter, 1.0, 1.0)
            else:
                spread = reach(module, parameter) ** -0.5
                yield Rate(parameter, spread, spread)


def reach(module: nn.Module, weight: Tensor) -> float:
    """How many inputs a weight sums up for each of its outputs."""
    if isinstance(module, nn.ConvTranspose2d) or getattr(module, "doubles", False):
        return weight.shape[0] * weight[0, 0].numel() / 4
    return weight[0].numel()


class BatchNorm(ConditionalNorm):
    """The normalisation of `zoo.nn.residual_network` by the statistics of the batch, which its stored ones follow."""

    def forward(self, x: Patch, condition: Tensor | None, truncation: float | None) -> Patch:
        """Normalise by the batch while it is being trained."""
        if not self.training:
            return super().forward(x, condition, truncation)
        values = batch_norm(x.values, self.mean, self.variance, training=True, momentum=_MOMENTUM, eps=self.epsilon)
        scale: Tensor = self.scale
        shift: Tensor = self.shift
        if self.gain is not None and self.bias is not None and condition is not None:
            scale, shift = scale + condition @ self.gain.T, shift + condition @ self.bias.T
        return Patch(torch.relu(torch.addcmul(shift[..., None, None], values, scale[..., None, None])), x.window)


class TrainedBigGAN(Trained):
    """A code in parts, an embedding of the class that all blocks share, self-attention at 16x16 pixels."""

    adapter = BigGAN
    _STANDING = 16

    def __init__(self, classes: int) -> None:
        plans = [BlockSpec(a, b, attention=b == WIDTHS[2]) for a, b in pairwise(WIDTHS)]
        chunk = 20
        network = Residual(plans, 4, first=chunk, chunk=chunk, classes=classes, embedding=32, norm=BatchNorm)
        super().__init__(network, network.dim, classes)

    def render(self, z: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Make images in [-1, 1]."""
        images: Tensor = self.network(z, labels)
        return images

    @torch.no_grad()
    def finish(self, generator: torch.Generator) -> None:
        """Take the statistics of normalisations over many batches (standing statistics, Brock et al., appendix D)."""
        norms = [module for module in self.network.modules() if isinstance(module, BatchNorm)]
        sums = {norm: (torch.zeros_like(norm.mean), torch.zeros_like(norm.variance)) for norm in norms}
        self.network.train()
        for _ in range(self._STANDING):
            for norm in norms:
                norm.mean.zero_(), norm.variance.zero_()
            z = torch.randn(128, self.dim, generator=generator)
            self.network(z, torch.randint(self.classes, (128,), generator=generator))
            for norm in norms:
                sums[norm][0].add_(norm.mean / _MOMENTUM), sums[norm][1].add_(norm.variance / _MOMENTUM)
        self.network.eval()
        for norm, (mean, variance) in sums.items():
            norm.mean.copy_(mean / self._STANDING), norm.variance.copy_(variance / self._STANDING)


class TrainedMapped(Trained):
    """What maps z to w: the mapping learns slowly, and some pictures are made of two codes."""

    network: StyleNetwork

    def __init__(self, network: StyleNetwork, dim: int, classes: int) -> None:
        super().__init__(network, dim, classes)
        for name, bias in network.named_parameters():
            if name.endswith("affine.bias"):  # scales, of which StyleGAN's come before as many shifts
                nn.init.ones_(bias[: len(bias) // 2 if isinstance(network, Styled) else None])

    def render(self, z: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Make images of rows of w, of which the last ones of some come from another code of the same class."""
        self.network.fold()
        encoded = one_hot(labels, self.classes).to(z)
        other = torch.randn(z.shape, generator=generator).to(z)
        w, mixed = (self.network.mapping(codes, encoded) for codes in (z, other))
        rows = self.network.rows
        first = torch.randint(1, rows, (len(z), 1), generator=generator)
        alone = torch.rand(len(z), 1, generator=generator) >= MIXED
        own = (torch.arange(rows) < first) | alone
        images: Tensor = self.network(torch.where(own[:, :, None].to(z.device), w[:, None], mixed[:, None]))
        return images

    def _rates_of(self, module: nn.Module) -> Iterator[Rate]:
        mapping = set(self.network.mapping.parameters())
        for rate in super()._rates_of(module):
            if rate.parameter in mapping and module is not self.network.mapping.embed:
                gain = sqrt(2) if rate.parameter.ndim > 1 else 1.0
                yield Rate(rate.parameter, rate.spread * gain, rate.speed * gain * MAPPING_RATE)
            else:
                yield rate

    def config(self) -> dict[str, Any]:
        """Layers have no noise."""
        return {"noise": "none"}

    @torch.no_grad()
    def finish(self, generator: torch.Generator) -> None:
        """Take the mean code over many."""
        self.network.fold()
        labels = torch.arange(10_000) % self.classes
        z = torch.randn(len(labels), self.dim, generator=generator)
        w = self.network.mapping(z, one_hot(labels, self.classes).to(z))
        self.network.mapping.mean.copy_(w.mean(dim=0))


class _Modulated(Modulated):
    """A StyleGAN2 whose demodulation follows its weights in training, derivative and all."""

    def fold(self) -> None:
        """Prepare what depends on the weights alone, within the graph of derivatives where there is one."""
        for layer in self._layers():
            squares = layer.weight.square().sum(dim=(2, 3))
            layer.squares = squares if layer.doubles else squares.T  # type: ignore[assignment]


class TrainedStyleGAN2(TrainedMapped):
    """Modulated convolutions without noise."""

    adapter = StyleGAN2

    def __init__(self, classes: int) -> None:
        dim = 64
        mapping = MappingNetwork(dim, [2 * dim, dim, dim, dim], classes)
        super().__init__(_Modulated(mapping, dim, WIDTHS), dim, classes)


class TrainedStyleGAN(TrainedMapped):
    """Styles by instance normalisation, without noise."""

    adapter = StyleGAN

    def __init__(self, classes: int) -> None:
        dim = 64
        mapping = MappingNetwork(dim, [2 * dim, dim, dim, dim], classes, together=True)
        super().__init__(Styled(mapping, dim, WIDTHS), dim, classes)


class TrainedPGGAN(Trained):
    """A network that grows; it knows no classes."""

    adapter = PGGAN
    grows = True
    network: Progressive

    def __init__(self, classes: int) -> None:
        super().__init__(Progressive(64, WIDTHS), 64, 0)

    def render(self, z: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Make images, of which only so much detail is there as the network has grown."""
        images: Tensor = self.network(z)
        return images

    def grow(self, lod: float) -> None:
        """Set the level of detail."""
        self.network.growth = Growth(self.network.growth.levels, lod)


GENERATORS: dict[str, Any] = {
    "biggan.avatars32": TrainedBigGAN,
    "stylegan2.avatars32": TrainedStyleGAN2,
    "stylegan.avatars32": TrainedStyleGAN,
    "pggan.avatars32": TrainedPGGAN,
}
"""What is trained, by the name of its card."""


def clear_biases(network: nn.Module) -> None:
    """Set the biases of dense layers and convolutions to 0; torch draws them by chance that nobody chose."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def draw_weights(rates: list[Rate], seed: int) -> None:
    """Fill parameters with random numbers; what has no spread keeps its value."""
    generator = torch.Generator().manual_seed(seed)
    for rate in rates:
        if rate.spread:
            rate.parameter.copy_(torch.randn(rate.parameter.shape, generator=generator) * rate.spread)
