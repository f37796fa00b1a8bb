"""How much memory a computation needs, counted operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves

from zoo._utils.dispatch import EagerDispatchMode


class MemoryModel:
    """The memory that work of a given size needs, extrapolated from the sizes 1 and 2.

    Counted at each operation: the memory of all tensors that the work has made and that are alive. The inputs and the
    output of a convolution count twice, since libraries copy them into layouts of their own. At operation i, work of
    size n then needs m_i(1) + (n − 1) (m_i(2) − m_i(1)) bytes.

    Args:
        work: The work, as a function of its size.
    """

    def __init__(self, work: Callable[[int], object]) -> None:
        self._one = _count(work, 1)
        self._two = _count(work, 2)
        if len(self._one) != len(self._two):  # other operations for another size: only the peaks can be compared
            self._one = [max(self._one, default=0)]
            self._two = [max(self._two, default=0)]

    def of(self, size: int) -> int:
        """Predict the peak of the memory.

        Args:
            size: Size of the work, from 1 on.

        Returns:
            The peak in bytes.
        """
        return max((one + (size - 1) * (two - one) for one, two in zip(self._one, self._two, strict=True)), default=0)

    def largest(self, budget: int, most: int) -> int:
        """Find the largest size that a budget allows.

        Args:
            budget: Bytes of memory.
            most: Largest size to consider.

        Returns:
            The size, at most `most`; 0 if even size 1 needs more.
        """
        return next((size for size in range(most, 0, -1) if self.of(size) <= budget), 0)


def peak_bytes(work: Callable[[], object]) -> tuple[int, int]:
    """Run some work, and count the memory of the tensors that it makes.

    Args:
        work: The work.

    Returns:
        The peak in bytes, and the bytes that its result keeps alive.
    """
    counter = _MemoryCounter()
    with counter:
        result = work()
    kept = counter.alive()
    del result
    return max(counter.history, default=0), kept


def _count(work: Callable[[int], object], size: int) -> list[int]:
    """Return the memory at each operation of work of a size."""
    counter = _MemoryCounter()
    with counter:
        work(size)
    return counter.history


class _MemoryCounter(EagerDispatchMode):
    """Adds up the memory of every tensor that is made while the mode is active, for as long as that memory lives."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.history: list[int] = []
        self._alive: dict[StorageWeakRef, int] = {}

    def alive(self) -> int:
        """Add up what is alive now."""
        self._alive = {ref: size for ref, size in self._alive.items() if not ref.expired()}
        return sum(self._alive.values())

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        input_storages = {StorageWeakRef(tensor.untyped_storage()) for tensor in inputs}
        result = func(*args, **(kwargs or {}))
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        for tensor in outputs:
            ref = StorageWeakRef(tensor.untyped_storage())
            if ref not in input_storages:
                self._alive[ref] = tensor.untyped_storage().nbytes()
        copies = sum(tensor.nbytes for tensor in (*inputs, *outputs)) if "convolution" in str(func) else 0
        self.history.append(self.alive() + copies)
        return result
