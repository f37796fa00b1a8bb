"""Results of frequent operations on tensors without numbers, which torch takes a millisecond each to work out.

torch has the shapes of most operations' results from definitions in Python, which also check what cannot be wrong here.
A network has hundreds of such operations, and every command that opens it waits for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def result_of(func: Any, args: Sequence[Any]) -> Tensor | None:
    """Work out the result of an operation, as a tensor on the device ``meta``.

    Args:
        func: An operation of torch.
        args: Its arguments, all of them, of which tensors are on the device ``meta``.

    Returns:
        A tensor of the shape, the type and, where all numbers lie in one order, the layout of the result. None where
        torch has to be asked: for other operations, numbers of several types, and shapes that do not fit.
    """
    rule = _RULES.get(func._overloadpacket.__name__)
    if rule is None:
        return None
    first, *others = (arg for arg in args if isinstance(arg, Tensor))
    if not first.is_floating_point() or any(tensor.dtype != first.dtype for tensor in others):
        return None
    return rule(*args)


def broadcast(shapes: Sequence[Sequence[int]]) -> tuple[int, ...] | None:
    """Return the shape of what is computed number by number from such tensors; None where the shapes do not fit."""
    shape = []
    for place in range(-max(map(len, shapes)), 0):
        sizes = {one[place] for one in shapes if len(one) >= -place} - {1}
        if len(sizes) > 1:
            return None
        shape.append(sizes.pop() if sizes else 1)
    return tuple(shape)


def _is_dense(tensor: Tensor) -> bool:
    """Whether the numbers fill their memory once, in the usual order or with channels last."""
    last = torch.channels_last
    return tensor.is_contiguous() or (tensor.ndim == 4 and tensor.is_contiguous(memory_format=last))


def _by_number(*args: Any) -> Tensor | None:
    tensors = [arg for arg in args if isinstance(arg, Tensor)]
    shape = broadcast([tensor.shape for tensor in tensors])
    whole = next((tensor for tensor in tensors if tensor.shape == shape), None)
    if shape is None or whole is None or not _is_dense(whole):
        return None
    return torch.empty_strided(shape, whole.stride(), dtype=whole.dtype, device=whole.device)


def _mean(tensor: Tensor, dims: Sequence[int] | None = None, keepdim: bool = False) -> Tensor | None:
    if not dims or any(not -tensor.ndim <= dim < tensor.ndim for dim in dims):
        return None
    gone = {dim % tensor.ndim for dim in dims}
    sizes = [1 if dim in gone else size for dim, size in enumerate(tensor.shape) if keepdim or dim not in gone]
    return tensor.new_empty(sizes)


def _addmm(bias: Tensor, left: Tensor, right: Tensor) -> Tensor | None:
    shape = left.shape[0], right.shape[1]
    if left.shape[1] != right.shape[0] or broadcast([bias.shape, shape]) != shape:
        return None
    return left.new_empty(shape)


# Operations that make each number from those at the same place.
_BY_NUMBER = (
    *("add", "sub", "rsub", "mul", "div", "addcmul", "pow", "sqrt", "rsqrt", "exp", "tanh", "sigmoid"),
    *("relu", "leaky_relu", "silu", "gelu", "clamp"),
)
_RULES: dict[str, Callable[..., Tensor | None]] = {
    **dict.fromkeys(_BY_NUMBER, _by_number),
    "mean": _mean,
    "addmm": _addmm,
}
