"""What a computation may use: memory, tangents at a time, and the cache of Jacobians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo._utils.progress import Progress, silent

if TYPE_CHECKING:
    from zoo.jacobian.cache import JacobianCache

__all__ = ["ComputeBudget", "Progress", "silent"]  # plugins import the last two from here


@dataclass(frozen=True)
class ComputeBudget:
    """What a computation may use.

    Attributes:
        memory: Bytes for everything beyond the loaded network; None allows what a chunk of the usual size needs.
        chunk: How many tangents are computed at a time, at most; fewer where `memory` requires it. None leaves it to
            zoo.
        cache: Where Jacobians are looked up and kept; None does neither.
    """

    memory: int | None = None
    chunk: int | None = None
    cache: JacobianCache | None = None
