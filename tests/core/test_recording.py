"""What a recording must repeat: changes in place, and views of sums that lie in memory in another order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from zoo.linearize import LinearMap

A = torch.randn(6, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def normed(delta: Tensor) -> Tensor:
    """A layer norm, whose derivative torch divides in place."""
    return torch.nn.functional.layer_norm(torch.sin(delta[None] @ A), (24,)).flatten()


def vector_product(delta: Tensor) -> Tensor:
    """A vector times a matrix, whose derivative torch squeezes in place."""
    return torch.tanh(delta @ A)


def turned(delta: Tensor) -> Tensor:
    """A view of what was brought into order after turning; the recording leaves out the bringing into order."""
    images = torch.tanh(delta[None] @ A).view(2, 3, 4)
    return (images.transpose(1, 2).contiguous() * 2).view(-1)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")  # torch's forward mode warns of itself
@pytest.mark.parametrize("function", [normed, vector_product, turned])
def test_what_is_recorded_is_the_derivative(function: Callable[[Tensor], Tensor]) -> None:
    origin = torch.linspace(-1, 1, 6, dtype=torch.float64)
    with torch.no_grad():
        found = LinearMap(function, origin)(torch.eye(6, dtype=torch.float64))
    wanted = torch.autograd.functional.jacobian(function, origin)
    assert isinstance(wanted, Tensor)
    assert torch.allclose(found.T, wanted, rtol=1e-12, atol=1e-14)
