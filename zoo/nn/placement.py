"""Where a network computes, how its images lie in memory there, and computing in parts that fit into a cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from zoo._utils.dispatch import leaving_out, repeats

AnyModule = TypeVar("AnyModule", bound=nn.Module)
Part = TypeVar("Part")


def to_device(network: AnyModule, device: torch.device | str, dtype: torch.dtype) -> AnyModule:
    """Move a network to a device and a dtype, in the memory format in which its convolutions are fastest.

    On a CPU that is ``torch.channels_last``: the convolutions of many tangents then take about three quarters of the
    time. torch chooses the format of a convolution's output by that of its weight, so the images follow. What
    reads such an output must not use `torch.Tensor.view` to join its axes.

    Args:
        network: the network, which is changed in place.
        device: where it computes.
        dtype: in which floating point type.

    Returns:
        The same network.
    """
    network = network.to(device, dtype)
    on_cpu = torch.device(device).type == "cpu"
    return network.to(memory_format=torch.channels_last) if on_cpu else network


def in_parts(function: Callable[[Part], Tensor], parts: Sequence[Part], axis: int, size: int) -> Tensor:
    """Work on one part after the other, and concatenate what comes of them.

    Where zoo only counts what an image costs, from the shapes, it works on the first part alone and counts that as many
    times as there are parts. So a network that works in thousands of parts is counted as quickly as any other.

    Args:
        function: makes a tensor of one part.
        parts: the parts, at least one; none is larger than the first.
        axis: the axis along which the tensors are concatenated.
        size: the size of that axis in the result.

    Returns:
        The concatenated tensor.
    """
    if len(parts) == 1:
        return function(parts[0])
    if not repeats():
        return torch.cat([function(part) for part in parts], axis)
    with leaving_out(len(parts)):
        first = function(parts[0])
    together = first.new_empty([*first.shape[:axis], size, *first.shape[axis + 1 :]])
    return torch.empty_like(together)  # all parts and their copy exist at once
