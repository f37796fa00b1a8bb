"""What is minimised: the difference between pictures and what the network draws, at coordinates of the prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional

from zoo.core.adapter import Adapter
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import Region
from zoo.inversion.solving.prior import Prior
from zoo.jacobian.columns import ColumnStream
from zoo.jacobian.operator import exact_products
from zoo.jacobian.outputs import Output


def visible_difference(images: Tensor, pictures: Tensor) -> Tensor:
    """Subtract pictures from images as far as the difference can be seen.

    Networks leave [-1, 1], pictures do not: where a picture is at an end of the range and the network beyond it, both
    look the same, so there the difference is 0 and has no derivative. Without this, the very code that made a picture
    would not be the minimum.

    Args:
        images: What the network draws, of any shape, not clamped.
        pictures: The pictures, of the same shape, in [-1, 1].

    Returns:
        The differences.
    """
    unseen = ((pictures >= 1) & (images > 1)) | ((pictures <= -1) & (images < -1))
    return torch.where(unseen, torch.zeros_like(images), images - pictures)


@dataclass(frozen=True, eq=False)
class Problem:
    """Some pictures, and the network that shall draw them.

    Attributes:
        adapter: The network.
        prior: The coordinates u of its codes.
        pictures: (n, 3, h, w) in [-1, 1], of the network's resolution, on its device and in its dtype.
        region: The pixels that count.
        labels: The class of each picture (n,), or None.
        features: A map of pixels whose difference counts beside that of the pixels, or None.
        wanted: The features of the pictures (n, r), where there are features.
        side: Pixels of the longer side to which differences are averaged before they are squared; None is full size.
        budget: The memory that derivatives may use.
    """

    adapter: Adapter
    prior: Prior
    pictures: Tensor
    region: Region
    labels: Tensor | None = None
    features: Output | None = None
    wanted: Tensor | None = None
    side: int | None = None
    budget: ComputeBudget = field(default_factory=ComputeBudget)

    def __len__(self) -> int:
        return len(self.pictures)

    def with_features(self, features: Output) -> Problem:
        """Return the problem in which features count too.

        Args:
            features: The map of pixels.

        Returns:
            The problem.
        """
        with exact_products(self.pictures.device):
            wanted = [features(self.take([index])._targets, self.region) for index in range(len(self))]
        return replace(self, features=features, wanted=torch.cat(wanted))

    def take(self, indices: Sequence[int] | Tensor) -> Problem:
        """Return the problem of some of the pictures.

        Args:
            indices: Which.

        Returns:
            Their problem.
        """
        chosen = torch.as_tensor(indices, device=self.pictures.device)
        labels = None if self.labels is None else self.labels[chosen]
        wanted = None if self.wanted is None else self.wanted[chosen]
        return replace(self, pictures=self.pictures[chosen], labels=labels, wanted=wanted)

    def with_labels(self, labels: Tensor | None) -> Problem:
        """Return the problem with other classes.

        Args:
            labels: The class of each picture (n,), or None.

        Returns:
            The problem.
        """
        return replace(self, labels=labels)

    def at_side(self, side: int | None) -> Problem:
        """Return the problem with differences averaged over squares.

        Args:
            side: See the attribute.

        Returns:
            The problem.
        """
        return replace(self, side=side)

    def codes(self, coordinates: Tensor) -> Codes:
        """Return the codes at coordinates.

        Args:
            coordinates: One u for each picture, (n, dim) or (n, layers, dim).

        Returns:
            The codes, in the network's dtype.
        """
        return self.prior.codes(coordinates, self.labels, self.adapter.dtype)

    def residuals(self, coordinates: Tensor) -> Tensor:
        """Return r, whose square ‖r‖² is the mean squared difference.

        Args:
            coordinates: See `codes`.

        Returns:
            (n, rows), in the network's dtype.
        """
        pixels = as_rgb(self.adapter.region_output(self.codes(coordinates), self.region))
        return self._output(pixels, self.region)

    def evaluate(self, coordinates: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
        """Compute ½‖r‖² + ridge ‖u‖² of each picture, and its gradient.

        ‖u‖² is the mean over the rows of a code, so that a code has the same whether or not its rows may differ.

        Args:
            coordinates: See `codes`.
            ridge: The weight of ‖u‖².

        Returns:
            The values (n,) and the gradients, of the shape of `coordinates`; float64.
        """
        with exact_products(self.pictures.device), torch.enable_grad():
            variable = coordinates.detach().requires_grad_()
            values = self.residuals(variable).double().square().sum(dim=1) / 2
            rows = variable.shape[1] if variable.ndim == 3 else 1
            values = values + ridge / rows * variable.flatten(1).square().sum(dim=1)
            [gradients] = torch.autograd.grad(values.sum(), variable)
        return values.detach(), gradients

    def squared_error(self, coordinates: Tensor) -> Tensor:
        """Compute the mean squared difference from each picture, of images clamped to [-1, 1]; features do not count.

        Args:
            coordinates: See `codes`.

        Returns:
            (n,), float64.
        """
        with exact_products(self.pictures.device):
            pixels = as_rgb(self.adapter.region_output(self.codes(coordinates), self.region)).clamp(-1, 1)
            return (pixels - self._targets).double().square().flatten(1).mean(dim=1)

    def residual(self, coordinates: Tensor) -> Tensor:
        """Compute r of a single picture, without derivatives.

        Args:
            coordinates: u, (1, …).

        Returns:
            (rows,), float64.
        """
        with exact_products(self.pictures.device):
            return self.residuals(coordinates)[0].double()

    def jacobian(self, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """Linearise the residual of a single picture: r(u + s) ≈ r + J s.

        Args:
            coordinates: u, (1, dim), the same for all rows of the code.

        Returns:
            r (rows,) and J (rows, dim), float64.

        Raises:
            CapabilityError: The network has no forward-mode derivative.
        """
        code = self.codes(coordinates)
        stream = ColumnStream(self.adapter, code, self.region, layers=None, output=self._output, budget=self.budget)
        columns = torch.cat([columns for _, columns in stream.compute()]).double()
        return self.residual(coordinates), self.prior.columns(columns).T

    @property
    def rows(self) -> int:
        """How many rows J has, without features."""
        return 3 * len(self.region.pixels)

    @property
    def _targets(self) -> Tensor:
        return _taken(self.pictures, self.region)

    @property
    def _output(self) -> Output:
        return _Difference(self.pictures, self.features, self.wanted, self.side)


@dataclass(frozen=True, eq=False)
class _Difference(Output):
    """The difference from the pictures, as what is differentiated."""

    pictures: Tensor
    features: Output | None
    wanted: Tensor | None
    side: int | None
    name: str = "difference"
    per_pixel: int = 3

    def __call__(self, pixels: Tensor, region: Region) -> Tensor:
        """Subtract the pictures.

        Args:
            pixels: The pixels of the region (n, 3, p).
            region: The region.

        Returns:
            The rows (n, r): those of the pixels divided by the root of their number, then those of the features,
            divided by the length of the picture's own.
        """
        targets = _taken(self.pictures, region)
        difference = visible_difference(pixels, targets)
        if self.side is not None:
            difference = _averaged(difference, region, self.side)
        difference = difference.flatten(1)
        rows: Tensor = difference / difference.shape[1] ** 0.5
        if self.features is None or self.wanted is None:
            return rows
        length = self.wanted.norm(dim=1, keepdim=True).clamp(min=1e-6)
        features = (self.features(pixels, region) - self.wanted) / length
        return torch.cat([rows, features], dim=1)


def _taken(pictures: Tensor, region: Region) -> Tensor:
    """Take the pixels of a region, (n, 3, p)."""
    pixels = pictures.flatten(2)
    return pixels if region.whole else pixels[..., torch.from_numpy(region.pixels).to(pixels.device)]


def _averaged(difference: Tensor, region: Region, side: int) -> Tensor:
    """Average differences (n, 3, p) over squares; pixels outside of the region differ by 0."""
    height, width = region.mask.shape
    if not region.whole:
        indices = torch.from_numpy(region.pixels).to(difference.device)
        whole = difference.new_zeros(*difference.shape[:2], height * width)
        difference = whole.index_copy(2, indices, difference)
    share = side / max(height, width)
    size = max(1, round(height * share)), max(1, round(width * share))
    images = difference.view(*difference.shape[:2], height, width)
    averaged: Tensor = functional.adaptive_avg_pool2d(images, size)
    return averaged.flatten(2)
