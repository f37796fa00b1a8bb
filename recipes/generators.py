"""The networks that are trained: those of the adapters, of small widths, with what only training needs.

The parameters are the effective weights, as adapters keep them. Equalised learning rates (Karras et al., ICLR 2018,
section 4.1) are the same thing seen from the optimiser. A weight that is c times a stored one of unit variance moves
under Adam as one that is drawn with standard deviation c and learns c times as fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import sqrt
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, one_hot
from zoo_adapters.biggan.adapter import BigGAN
from zoo_adapters.pggan.adapter import PGGAN
from zoo_adapters.pggan.network import PGGANGenerator
from zoo_adapters.stylegan.adapter import StyleGAN
from zoo_adapters.stylegan.network import StyleGANGenerator
from zoo_adapters.stylegan2.adapter import StyleGAN2
from zoo_adapters.stylegan2.network import StyleGAN2Generator

from zoo import Adapter
from zoo.nn import BlockSpec, ConditionalNorm, Growth, MappingNetwork, Patch, ResidualGenerator, StyleNetwork

# The channels of all networks' maps, from 4x4 pixels on, by the resolution of their images.
WIDTHS = {32: (128, 128, 64, 32), 64: (192, 192, 128, 64, 32)}

# The learning-rate multiplier of mappings (Karras et al., CVPR 2019, appendix C).
MAPPING_LR_MULTIPLIER = 0.01

# The share of images whose rows of w come from two codes (style mixing, the same, section 3.1).
STYLE_MIXING = 0.5

_MOMENTUM = 0.1


@dataclass(frozen=True)
class LearningRate:
    """How a parameter is initialised and learns.

    Attributes:
        parameter: the parameter.
        std: the standard deviation that it is drawn with; 0 to leave it as it is.
        multiplier: its learning rate, as a multiple of the usual one.
    """

    parameter: nn.Parameter
    std: float
    multiplier: float


class Trained(ABC):
    """A generator in training.

    Attributes:
        adapter: the adapter that opens the network once it is trained.
        grows: whether its level of detail changes in training (`zoo.nn.Growth`).
        network: the network.
        dim: numbers of a code.
        classes: how many classes there are.
        widths: channels of the maps, from 4x4 pixels on.
    """

    adapter: ClassVar[type[Adapter]]
    grows: ClassVar[bool] = False

    def __init__(self, network: nn.Module, dim: int, classes: int, widths: Sequence[int]) -> None:
        self.network = network
        self.dim = dim
        self.classes = classes
        self.widths = tuple(widths)
        clear_biases(network)

    @abstractmethod
    def render(self, z: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Render codes (n, dim) and labels (n,) as images (n, 3, height, width).

        `generator` is the source of further random numbers, on the same device.
        """

    def learning_rates(self) -> list[LearningRate]:
        """List how each parameter is initialised and learns."""
        return [rate for module in self.network.modules() for rate in self._learning_rates_of(module)]

    def grow(self, lod: float) -> None:  # noqa: B027 (most networks do not grow)
        """Set the level of detail, where the network grows."""

    def config(self) -> dict[str, Any]:
        """Return the settings that the adapter needs beside the weights."""
        return {}

    def finish(self, generator: torch.Generator) -> None:  # noqa: B027 (some networks need nothing)
        """Recompute what is not learnt but follows from the weights."""

    def _learning_rates_of(self, module: nn.Module) -> Iterator[LearningRate]:
        unit_variance = (getattr(module, "const", None), getattr(module, "embed", None))
        for parameter in module.parameters(recurse=False):
            if parameter.ndim < 2:
                yield LearningRate(parameter, 0.0, 1.0)
            elif any(parameter is other for other in unit_variance):
                yield LearningRate(parameter, 1.0, 1.0)
            else:
                std = fan_in(module, parameter) ** -0.5
                yield LearningRate(parameter, std, std)


def fan_in(module: nn.Module, weight: Tensor) -> float:
    """Count the inputs that a weight sums for each of its outputs."""
    if isinstance(module, nn.ConvTranspose2d) or getattr(module, "upsample", False):
        return weight.shape[0] * weight[0, 0].numel() / 4
    return weight[0].numel()


class BatchNorm(ConditionalNorm):
    """Conditional normalisation by the statistics of the batch, of which the stored ones are a running average."""

    def forward(self, x: Patch, condition: Tensor | None, truncation: float | None) -> Patch:
        """Normalise by the batch in training, else by the stored statistics."""
        if not self.training:
            return super().forward(x, condition, truncation)
        values = batch_norm(x.values, self.mean, self.variance, training=True, momentum=_MOMENTUM, eps=self.epsilon)
        scale: Tensor = self.scale
        shift: Tensor = self.shift
        if self.gain is not None and self.bias is not None and condition is not None:
            scale, shift = scale + condition @ self.gain.T, shift + condition @ self.bias.T
        return Patch(torch.relu(torch.addcmul(shift[..., None, None], values, scale[..., None, None])), x.window)


class TrainedBigGAN(Trained):
    """A BigGAN: a code in parts, an embedding of the class that all blocks share, self-attention at 16x16 pixels."""

    adapter = BigGAN
    _STANDING_BATCHES = 16

    def __init__(self, classes: int, widths: Sequence[int]) -> None:
        # The second block gives 16x16 pixels.
        specs = [BlockSpec(*pair, attention=index == 1) for index, pair in enumerate(pairwise(widths))]
        network = ResidualGenerator(
            specs, 4, first_dim=20, chunk_dim=20, classes=classes, embedding_dim=32, norm=BatchNorm
        )
        super().__init__(network, network.dim, classes, widths)

    def render(self, z: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Render images in [-1, 1]."""
        images: Tensor = self.network(z, labels)
        return images

    @torch.no_grad()
    def finish(self, generator: torch.Generator) -> None:
        """Average the normalisations' statistics over many batches (standing statistics, Brock et al., appendix D)."""
        norms = [module for module in self.network.modules() if isinstance(module, BatchNorm)]
        sums = {norm: (torch.zeros_like(norm.mean), torch.zeros_like(norm.variance)) for norm in norms}
        self.network.train()
        for _ in range(self._STANDING_BATCHES):
            # A running average that starts at 0 is the batch's statistics times the momentum.
            for norm in norms:
                norm.mean.zero_(), norm.variance.zero_()
            z = torch.randn(128, self.dim, generator=generator)
            self.network(z, torch.randint(self.classes, (128,), generator=generator))
            for norm in norms:
                sums[norm][0].add_(norm.mean / _MOMENTUM), sums[norm][1].add_(norm.variance / _MOMENTUM)
        self.network.eval()
        for norm, (mean, variance) in sums.items():
            norm.mean.copy_(mean / self._STANDING_BATCHES), norm.variance.copy_(variance / self._STANDING_BATCHES)


class TrainedStyle(Trained):
    """A network with a mapping from z to w: the mapping learns slowly, and some images mix the styles of two codes."""

    network: StyleNetwork

    def __init__(self, network: StyleNetwork, dim: int, classes: int, widths: Sequence[int]) -> None:
        super().__init__(network, dim, classes, widths)
        for name, bias in network.named_parameters():
            if name.endswith("affine.bias"):
                # Scales begin at 1. StyleGAN's affine maps give as many shifts after the scales.
                nn.init.ones_(bias[: len(bias) // 2 if isinstance(network, StyleGANGenerator) else None])

    def render(self, z: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Render images, of some of which the last rows of w come from another code of the same class."""
        self.network.fold()
        encoded = one_hot(labels, self.classes).to(z)
        draws: dict[str, Any] = {"generator": generator, "device": z.device}
        other = torch.randn(z.shape, **draws)
        w, mixed = (self.network.mapping(codes, encoded) for codes in (z, other))
        num_ws = self.network.num_ws
        crossover = torch.randint(1, num_ws, (len(z), 1), **draws)
        unmixed = torch.rand(len(z), 1, **draws) >= STYLE_MIXING
        own = (torch.arange(num_ws, device=z.device) < crossover) | unmixed
        images: Tensor = self.network(torch.where(own[:, :, None], w[:, None], mixed[:, None]))
        return images

    def _learning_rates_of(self, module: nn.Module) -> Iterator[LearningRate]:
        mapping = set(self.network.mapping.parameters())
        for rate in super()._learning_rates_of(module):
            if rate.parameter in mapping and module is not self.network.mapping.embed:
                gain = sqrt(2) if rate.parameter.ndim > 1 else 1.0
                yield LearningRate(rate.parameter, rate.std * gain, rate.multiplier * gain * MAPPING_LR_MULTIPLIER)
            else:
                yield rate

    def config(self) -> dict[str, Any]:
        """Return that layers have no noise."""
        return {"noise": "none"}

    @torch.no_grad()
    def finish(self, generator: torch.Generator) -> None:
        """Average w over many codes."""
        self.network.fold()
        labels = torch.arange(10_000) % self.classes
        z = torch.randn(len(labels), self.dim, generator=generator)
        w = self.network.mapping(z, one_hot(labels, self.classes).to(z))
        self.network.mapping.w_avg.copy_(w.mean(dim=0))


class TrainedStyleGAN2(TrainedStyle):
    """A StyleGAN2 without noise."""

    adapter = StyleGAN2

    def __init__(self, classes: int, widths: Sequence[int]) -> None:
        dim = 64
        mapping = MappingNetwork(dim, [2 * dim, dim, dim, dim], classes)
        super().__init__(StyleGAN2Generator(mapping, dim, widths), dim, classes, widths)


class TrainedStyleGAN(TrainedStyle):
    """A StyleGAN without noise."""

    adapter = StyleGAN

    def __init__(self, classes: int, widths: Sequence[int]) -> None:
        dim = 64
        mapping = MappingNetwork(dim, [2 * dim, dim, dim, dim], classes, normalize_with_label=True)
        super().__init__(StyleGANGenerator(mapping, dim, widths), dim, classes, widths)


class TrainedPGGAN(Trained):
    """A PGGAN, which grows, and is unconditional."""

    adapter = PGGAN
    grows = True
    network: PGGANGenerator

    def __init__(self, classes: int, widths: Sequence[int]) -> None:
        super().__init__(PGGANGenerator(64, widths), 64, 0, widths)

    def render(self, z: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Render images at the network's level of detail."""
        images: Tensor = self.network(z)
        return images

    def grow(self, lod: float) -> None:
        """Set the level of detail."""
        self.network.growth = Growth(self.network.growth.levels, lod)


# What builds the generator of so many classes, by the name of the model's card.
GENERATORS: dict[str, Callable[[int], Trained]] = {
    "biggan.avatars32": partial(TrainedBigGAN, widths=WIDTHS[32]),
    "stylegan2.avatars32": partial(TrainedStyleGAN2, widths=WIDTHS[32]),
    "stylegan.avatars32": partial(TrainedStyleGAN, widths=WIDTHS[32]),
    "pggan.avatars32": partial(TrainedPGGAN, widths=WIDTHS[32]),
    "biggan.avatars64": partial(TrainedBigGAN, widths=WIDTHS[64]),
    "stylegan2.avatars64": partial(TrainedStyleGAN2, widths=WIDTHS[64]),
}


def clear_biases(network: nn.Module) -> None:
    """Set the biases of linear layers and convolutions to 0, which torch draws at random."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def draw_weights(rates: list[LearningRate], seed: int) -> None:
    """Fill parameters with random numbers of their standard deviation."""
    generator = torch.Generator().manual_seed(seed)
    for rate in rates:
        if rate.std:
            rate.parameter.copy_(torch.randn(rate.parameter.shape, generator=generator) * rate.std)
