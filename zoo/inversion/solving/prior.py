"""How a model's own codes are spread: the coordinates in which codes of pictures are sought."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo.core.adapter import Adapter
from zoo.core.codes import Codes, join
from zoo.jacobian.gram import is_large

# Directions in which drawn codes vary less than this share of the largest deviation count as if they varied so much:
# otherwise rounding would become a coordinate.
_LEAST_DEVIATION = 1e-3
# By how much images of the same code may differ.
_ROUNDING = 1e-3


@dataclass(frozen=True, eq=False)
class Prior:
    """Mean and spread of drawn codes, which give each code whitened coordinates u: ``row = mean + basis u``.

    Drawn codes have coordinates of mean 0 and covariance 1, so ‖u‖/√d is about 1 for them, whatever the space. All rows
    of a code share one mean and one basis. In a large space, no matrix of d x d numbers is made: coordinates are then
    the numbers of the code themselves, each centred and scaled.

    Attributes:
        mean: The mean of the rows (dim,), float64.
        basis: The columns are the principal axes, as long as the deviation along each (dim, dim), float64; in a large
            space, the deviation of each number (dim,).
        example: A drawn code, which tells what else than latents the network's codes have.
        layers: How many rows a code has.
        lengths_count: Whether images depend on the length of codes. Some networks normalise z first: then all codes lie
            equally far out, and their length means nothing.
    """

    mean: Tensor
    basis: Tensor
    example: Codes
    layers: int
    lengths_count: bool = True

    @classmethod
    def of(cls, adapter: Adapter, codes: Codes) -> Prior:
        """Measure drawn codes.

        Args:
            adapter: The network.
            codes: Codes that it draws; some thousand.

        Returns:
            The prior, on the network's device.
        """
        rows = codes.latents.to(adapter.device, torch.float64)
        rows = rows if rows.ndim == 2 else rows.mean(dim=1)
        mean = rows.mean(dim=0)
        axes: Tensor | None = None
        if is_large(adapter.space.dim):
            deviations = (rows - mean).square().mean(dim=0).sqrt()
        else:
            variances, axes = torch.linalg.eigh((rows - mean).T @ (rows - mean) / max(1, len(rows) - 1))
            deviations = variances.clamp(min=0).sqrt()
        deviations = deviations.clamp(min=_LEAST_DEVIATION * float(deviations.max()))
        basis = deviations if axes is None else axes * deviations
        return cls(mean, basis, codes[0], adapter.space.layers, _lengths_count(adapter, codes[0]))

    def whiten(self, codes: Codes) -> Tensor:
        """Return the coordinates of codes.

        Args:
            codes: The codes (n).

        Returns:
            u, (n, dim) or (n, layers, dim), float64.
        """
        latents = codes.latents.to(self.mean)
        if self.basis.ndim == 1:
            return (latents - self.mean) / self.basis
        solved: Tensor = torch.linalg.solve(self.basis, (latents - self.mean).flatten(0, -2).T).T
        return solved.view_as(latents)

    def latents(self, coordinates: Tensor) -> Tensor:
        """Return the latents with some coordinates.

        Args:
            coordinates: (n, dim), the same for all rows of a code, or (n, layers, dim).

        Returns:
            (n, dim), or (n, layers, dim) where the space has rows, float64.
        """
        rows = self.mean + (coordinates * self.basis if self.basis.ndim == 1 else coordinates @ self.basis.T)
        if self.layers > 1 and rows.ndim == 2:
            rows = rows[:, None].expand(-1, self.layers, -1)
        return rows

    def columns(self, axes: Tensor) -> Tensor:
        """Return the derivatives along the coordinates.

        Args:
            axes: Those along the axes of the latents (dim, rows), float64.

        Returns:
            (dim, rows).
        """
        return self.basis[:, None] * axes if self.basis.ndim == 1 else self.basis.T @ axes

    def codes(self, coordinates: Tensor, labels: Tensor | None, dtype: torch.dtype) -> Codes:
        """Make codes of coordinates.

        Args:
            coordinates: See `latents`.
            labels: The class of each code (n,), or None.
            dtype: The type of the latents.

        Returns:
            The codes.
        """
        return replace(self.example, latents=self.latents(coordinates).to(dtype), labels=labels, seeds=None)

    def distance(self, codes: Codes) -> Tensor:
        """Measure how far codes lie from the middle of the drawn ones: ‖u‖/√d, about 1 for these.

        Args:
            codes: The codes (n).

        Returns:
            (n,), over all rows of a code.
        """
        return self.whiten(codes).flatten(1).square().mean(dim=1).sqrt()


def _lengths_count(adapter: Adapter, code: Codes) -> bool:
    """Compare the image of a code with that of a code twice as long; w is never normalised."""
    if adapter.space.layers > 1:
        return True
    pair = join([code, replace(code, latents=2 * code.latents)]).to(adapter.device, adapter.dtype)
    with torch.no_grad():
        first, second = adapter.synthesize(pair)
    return not torch.allclose(first, second, rtol=_ROUNDING, atol=_ROUNDING)
