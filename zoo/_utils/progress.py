"""The callback that long work reports its progress to."""

from collections.abc import Callable

# Called with (steps done, steps in all, what is being done). While one thing is being done, the total stays the same,
# the steps done never decrease, and the last call reports all of them; after it, the same words may begin the next
# thing of that kind. A total of 0 stands for an unknown one.
Progress = Callable[[int, int, str], None]


def silent(done: int, total: int, what: str) -> None:
    """Ignore the progress.

    Args:
        done: Steps done.
        total: Steps in all.
        what: What is being done.
    """
