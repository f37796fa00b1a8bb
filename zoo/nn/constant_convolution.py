"""Convolutions whose weights stay as they are: their forward derivative is a single convolution."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# Stride, padding, dilation, whether it is transposed, output padding and groups, as `torch.convolution` takes them.
Settings = tuple[tuple[int, int], tuple[int, int], tuple[int, int], bool, tuple[int, int], int]


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: tuple[int, int],
    padding: tuple[int, int],
    groups: int,
    transposed: bool = False,
) -> Tensor:
    """Convolve as `torch.nn.functional.conv2d` or `conv_transpose2d`.

    Args:
        x: (n, in, rows, columns).
        weight: As torch's function takes it.
        bias: (out,), or None.
        stride: Along rows and columns.
        padding: The same.
        groups: As torch's function takes it.
        transposed: Whether the convolution is a transposed one.

    Returns:
        (n, out, rows, columns).
    """
    trained = weight.requires_grad or (bias is not None and bias.requires_grad)
    if trained or torch.is_autocast_enabled(x.device.type):  # which casts weights, in torch's own functions only
        function = functional.conv_transpose2d if transposed else functional.conv2d
        return function(x, weight, bias, stride, padding, groups=groups)
    settings: Settings = (stride, padding, (1, 1), transposed, (0, 0), groups)
    output: Tensor = _ConstantConvolution.apply(x, weight, bias, settings)
    return output


class _ConstantConvolution(torch.autograd.Function):
    """A convolution that is differentiated with respect to its input only.

    torch's own forward derivative adds two convolutions, of the input's tangent and of the weight's. Under
    `torch.func.jvp` the latter is zero where the weight does not depend on the code, and is convolved all the same.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, settings: Settings) -> Tensor:
        return torch.convolution(x, weight, bias, *settings)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, _, ctx.settings = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(weight)

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor, *_: None) -> Tensor:
        (weight,) = ctx.saved_tensors
        return torch.convolution(x_tangent, weight, None, *ctx.settings)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        outputs = (True, False, False)  # the gradient of x alone
        x_gradient, *_ = torch.ops.aten.convolution_backward(gradient, x, weight, None, *ctx.settings, outputs)
        return x_gradient, None, None, None
