"""Where a network computes, and how its images lie in memory there."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

AnyModule = TypeVar("AnyModule", bound=nn.Module)


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
