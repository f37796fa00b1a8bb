"""Encoding pictures in threads, beside the network that draws the next ones.

Pillow's encoders and files let other threads run meanwhile. What is written does not depend on it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

_Result = TypeVar("_Result")

# More threads would wait for the disk, and for each other in Python.
_MOST_THREADS = 4


class InBackground:
    """Threads that carry out tasks, in the body of a ``with`` statement; at its end all of them are done.

    At most two tasks a thread wait or are carried out at a time, so that memory is bounded: `start` waits for room.
    """

    def __init__(self) -> None:
        threads = min(_MOST_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="encoding")
        self._most = 2 * threads
        self._running: deque[Future[Any]] = deque()

    def start(self, task: Callable[..., _Result], *arguments: Any) -> Callable[[], _Result]:
        """Carry out a task soon.

        Args:
            task: What to do; it touches nothing that others change meanwhile.
            *arguments: What it is called with.

        Returns:
            What waits for the task and returns its result, or raises its error.

        Raises:
            Exception: The error of an earlier task.
        """
        while self._running and (len(self._running) >= self._most or self._running[0].done()):
            self._running.popleft().result()
        future = self._pool.submit(task, *arguments)
        self._running.append(future)
        return future.result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all tasks, and raise the error of the first that failed; after another error, drop what waits."""
        self._pool.shutdown(cancel_futures=error is not None)
        if error is None:
            for future in self._running:
                future.result()
