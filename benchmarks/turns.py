"""Works that are timed in turns, so that what slows the machine for a while slows all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def fastest_in_turns(works: Sequence[Callable[[], object]], rounds: int, clock: Callable[[], float]) -> list[float]:
    """Do works one after the other, several times.

    Args:
        works: The works.
        rounds: How often each is done.
        clock: Elapsed time or processor time, in seconds.

    Returns:
        The seconds of each work's fastest run.
    """
    seconds = [float("inf")] * len(works)
    for _ in range(rounds):
        for index, work in enumerate(works):
            began = clock()
            work()
            seconds[index] = min(seconds[index], clock() - began)
    return seconds
