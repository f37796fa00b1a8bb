"""How much memory work needs, counted operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves

from zoo.jacobian.watching import EagerDispatchMode


class MemoryModel:
    """How much memory work of a size needs: counted at the sizes 1 and 2, operation by operation, and carried on.

    The memory of all tensors that the work made and that are alive, at each of its operations; for a convolution its
    inputs and output count twice, since libraries copy them into layouts of their own.
    """

    def __init__(self, work: Callable[[int], object]) -> None:
        self._one, self._two = (_counted(work, size) for size in (1, 2))
        if len(self._one) != len(self._two):
            self._one, self._two = [max(self._one, default=0)], [max(self._two, default=0)]

    def of(self, size: int) -> int:
        """Return the bytes that work of a size needs at its peak."""
        return max((one + (size - 1) * (two - one) for one, two in zip(self._one, self._two, strict=True)), default=0)

    def largest(self, budget: int, most: int) -> int:
        """Return the largest size, at most `most`, that a budget in bytes allows; 0 where even 1 is too much."""
        return next((size for size in range(most, 0, -1) if self.of(size) <= budget), 0)


def peak_bytes(work: Callable[[], object]) -> tuple[int, int]:
    """Run work, and count the memory behind the tensors it made: (the most at any one time, what is left alive)."""
    counter = _Counter()
    with counter:
        result = work()
    left = counter.alive()
    del result
    return max(counter.history, default=0), left


def _counted(work: Callable[[int], object], size: int) -> list[int]:
    counter = _Counter()
    with counter:
        work(size)
    return counter.history


class _Counter(EagerDispatchMode):
    """Adds up the memory behind every tensor that is made while it watches, for as long as that memory lives."""

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
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        known = {StorageWeakRef(tensor.untyped_storage()) for tensor in given}
        result = func(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        for tensor in made:
            ref = StorageWeakRef(tensor.untyped_storage())
            if ref not in known:
                self._alive[ref] = tensor.untyped_storage().nbytes()
        copies = sum(tensor.nbytes for tensor in (*given, *made)) if "convolution" in str(func) else 0
        self.history.append(self.alive() + copies)
        return result
