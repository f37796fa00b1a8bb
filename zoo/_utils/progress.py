"""How long work tells whoever waits for it."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what is being done).

Of one thing that is being done, the total stays the same, steps done never become fewer, and the last call says that
all are done; after it, the same words may begin the next thing of that kind.
"""


def silent(done: int, total: int, what: str) -> None:
    """Report progress to nobody."""
