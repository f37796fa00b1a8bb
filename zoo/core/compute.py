"""What a computation may use: memory, tangents at a time, and the cache of Jacobians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from zoo._utils.progress import Progress, silent

if TYPE_CHECKING:
    from zoo.core.adapter import Adapter
    from zoo.jacobian.cache import JacobianCache

__all__ = ["ComputeBudget", "Progress", "silent"]  # plugins import the last two from here


class Spread(Protocol):
    """Processes that have the same network open, here or on other machines."""

    def each(
        self, function: Callable[[Adapter, Any], Any], parts: Sequence[Any], take: Callable[[Any], object]
    ) -> None:
        """Call a function with the network and each of some parts, in any order and any process.

        Args:
            function: A function of a module. What it gets and returns can be pickled, and is on the CPU.
            parts: The parts of a computation.
            take: Is called in this process with what the function returned, in the order of the parts.

        Raises:
            EngineError: If the processes fail.
        """


@dataclass(frozen=True)
class ComputeBudget:
    """What a computation may use.

    Attributes:
        memory: Bytes for everything beyond the loaded network; None allows what a chunk of the usual size needs.
        chunk: How many tangents are computed at a time, at most; fewer where `memory` requires it. None leaves it to
            zoo.
        cache: Where Jacobians are looked up and kept; None does neither.
        spread: Processes that share the work; None computes in this one.
    """

    memory: int | None = None
    chunk: int | None = None
    cache: JacobianCache | None = None
    spread: Spread | None = None
