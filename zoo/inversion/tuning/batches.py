"""How many pictures are tuned at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from zoo._utils.sizes import format_size
from zoo.core.adapter import Adapter
from zoo.core.compute import ComputeBudget
from zoo.errors import OptionError
from zoo.jacobian.columns import MEMORY_OVERHEAD
from zoo.jacobian.memory import MemoryModel
from zoo.models.rendering import render_batch_size

# Adam keeps two numbers for each weight, beside its gradient and the copy itself.
_COPIES = 4


def tuning_batch(
    gradients: Callable[[Tensor], object], count: int, adapter: Adapter, budget: ComputeBudget | None = None
) -> int:
    """Choose how many pictures are tuned at a time.

    Args:
        gradients: Differentiates the loss of the pictures with these indices.
        count: How many pictures there are.
        adapter: The network.
        budget: The memory that may be used.

    Returns:
        The number.

    Raises:
        OptionError: If the memory does not suffice for one picture.
    """
    most = min(count, max(1, render_batch_size(adapter) // 2))
    memory = None if budget is None else budget.memory
    if memory is None:
        return most
    weights = _COPIES * sum(weight.nbytes for weight in adapter.network.parameters())
    model = MemoryModel(lambda size: gradients(torch.zeros(size, dtype=torch.long)))
    size = model.largest(int(memory / MEMORY_OVERHEAD) - weights, most)
    if not size:
        needed = format_size(MEMORY_OVERHEAD * 1.02 * (weights + model.of(1)))
        raise OptionError(f"--memory {format_size(memory)}: tuning this network needs {needed}: allow that much")
    return size
