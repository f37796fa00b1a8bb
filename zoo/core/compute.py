"""What a computation may use: memory, tangents at a time, and the cache of Jacobians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo._utils.progress import Progress, silent

if TYPE_CHECKING:
    from zoo.jacobian.cache import JacobianCache

__all__ = ["ComputeBudget", "Progress", "silent"]  # the last two stand here for plugins


@dataclass(frozen=True)
class ComputeBudget:
    """What a computation may use.

    `memory` is a budget in bytes for everything beyond the loaded network; None takes what the usual chunk needs.
    `chunk` tangents are pushed at a time, fewer where the budget asks for it. `cache` is where results are kept.
    """

    memory: int | None = None
    chunk: int | None = None
    cache: JacobianCache | None = None
