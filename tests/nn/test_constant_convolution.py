"""Convolutions of constant weights, against torch's own: values, derivatives, and how many convolutions they take."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.nn.constant_convolution import convolve

# torch's forward mode uses torch.jit.script itself, which torch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")

CASES = [
    pytest.param((1, 1), (1, 1), 1, False, id="plain"),
    pytest.param((2, 2), (0, 1), 1, False, id="stride"),
    pytest.param((1, 1), (0, 0), 4, False, id="depthwise"),
    pytest.param((2, 2), (1, 1), 1, True, id="transposed"),
    pytest.param((2, 1), (1, 0), 2, True, id="transposed groups"),
]


def _pair(
    stride: tuple[int, int], padding: tuple[int, int], groups: int, transposed: bool
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Make the convolution of zoo and that of torch, with equal weights."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 4 // groups, 3, 3, generator=generator, dtype=torch.float64)
    bias = torch.randn(4, generator=generator, dtype=torch.float64)
    own = functional.conv_transpose2d if transposed else functional.conv2d
    return (
        lambda x: convolve(x, weight, bias, stride=stride, padding=padding, groups=groups, transposed=transposed),
        lambda x: own(x, weight, bias, stride, padding, groups=groups),
    )


@pytest.mark.parametrize(("stride", "padding", "groups", "transposed"), CASES)
def test_values_and_derivatives_are_those_of_torch(
    stride: tuple[int, int], padding: tuple[int, int], groups: int, transposed: bool
) -> None:
    ours, own = _pair(stride, padding, groups, transposed)
    generator = torch.Generator().manual_seed(1)
    x, *tangents = torch.randn(4, 2, 4, 6, 5, generator=generator, dtype=torch.float64)
    close = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)
    close(ours(x), own(x))

    def pushed(function: Callable[[Tensor], Tensor], tangent: Tensor) -> Any:
        return jvp(lambda y: function(y).sin(), (x,), (tangent,))[1]

    def pulled(function: Callable[[Tensor], Tensor], cotangent: Tensor) -> Any:
        return vjp(lambda y: function(y).sin(), x)[1](cotangent)[0]

    batch = torch.stack(tangents)
    close(vmap(partial(pushed, ours))(batch), vmap(partial(pushed, own))(batch))
    cotangents = torch.randn(3, *own(x).shape, generator=generator, dtype=torch.float64)
    close(vmap(partial(pulled, ours))(cotangents), vmap(partial(pulled, own))(cotangents))
    # The derivative of a derivative: reverse mode over forward mode.

    def pulled_push(function: Callable[[Tensor], Tensor]) -> Any:
        return vjp(lambda y: jvp(lambda z: function(z).sin(), (y,), (tangents[0],))[1], x)[1](cotangents[0])[0]

    close(pulled_push(ours), pulled_push(own))


def test_weights_that_are_trained_have_gradients() -> None:
    weight = torch.ones(1, 1, 3, 3, requires_grad=True)
    convolve(torch.ones(1, 1, 3, 3), weight, None, stride=(1, 1), padding=(0, 0), groups=1).sum().backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad, torch.ones(1, 1, 3, 3))


def test_a_forward_derivative_is_one_convolution_beside_the_image() -> None:
    ours, _ = _pair((1, 1), (1, 1), 1, False)
    x = torch.ones(1, 4, 6, 5, dtype=torch.float64)
    with _Convolutions() as counter:  # type: ignore[no-untyped-call]
        vmap(lambda tangent: jvp(ours, (x,), (tangent,))[1])(torch.ones(3, *x.shape, dtype=torch.float64))
    assert counter.count == 2


class _Convolutions(TorchDispatchMode):
    """Counts convolutions."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.name() == "aten::convolution"
        return func(*args, **(kwargs or {}))
