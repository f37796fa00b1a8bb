"""How much memory a benchmark has taken."""

from __future__ import annotations

import resource


def peak() -> float:
    """Return the most memory that this process has had, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
