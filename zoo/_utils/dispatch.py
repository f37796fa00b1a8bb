"""Watching what torch computes, operation by operation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch.utils._python_dispatch import TorchDispatchMode

# How often each operation that is watched now would really be made; None where nothing is left out.
_repeats: ContextVar[int | None] = ContextVar("repeats", default=None)


class EagerDispatchMode(TorchDispatchMode):
    """A dispatch mode that does not involve torch's compiler, which torch would import only to bypass it."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


@contextmanager
def leaving_out(repeats: int = 1) -> Iterator[None]:
    """Let `zoo.nn.in_parts` work on the first part only, in the body of a ``with`` statement.

    Args:
        repeats: How often what happens in the body would happen.

    Yields:
        None.
    """
    token = _repeats.set((_repeats.get() or 1) * repeats)
    try:
        yield
    finally:
        _repeats.reset(token)


def repeats() -> int:
    """Return how often the operation at hand would be made if no part were left out; 0 where none is left out."""
    return _repeats.get() or 0
