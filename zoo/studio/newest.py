"""The queue of pictures: of one lane of a session only the newest wish is rendered."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")

# Lanes whose newest number is remembered.
_MOST_LANES = 10_000


class StaleError(Exception):
    """A newer wish has taken the place of this one."""


class NewestOnly:
    """Renders wishes one after the other in a thread of its own. All methods belong to the event loop.

    Attributes:
        idle: Set while there is nothing to render.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[Hashable, tuple[Callable[[], Any], asyncio.Future[Any]]] = OrderedDict()
        self._newest: OrderedDict[Hashable, int] = OrderedDict()
        self._worker = ThreadPoolExecutor(1, "zoo-studio-render")
        self._busy = self._closed = False
        self.idle = threading.Event()
        self.idle.set()

    async def run(self, lane: Hashable, number: int, work: Callable[[], Result]) -> Result:
        """Do work once it is its turn.

        Args:
            lane: Which wishes replace each other.
            number: The number of this one; larger ones are newer.
            work: What to do.

        Returns:
            What the work returns.

        Raises:
            StaleError: If a newer wish of the lane is known before this one has begun, or the studio ends.
        """
        if self._closed or number < self._newest.get(lane, number):
            raise StaleError
        self._newest[lane] = number
        self._newest.move_to_end(lane)
        if len(self._newest) > _MOST_LANES:
            self._newest.popitem(last=False)
        older = self._waiting.pop(lane, None)
        if older is not None:
            older[1].set_exception(StaleError())
        wish: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting[lane] = work, wish
        if not self._busy:
            self._begin()
        return await wish

    def _begin(self) -> None:
        """Take the wish that has waited longest."""
        self._busy = bool(self._waiting) and not self._closed
        if not self._busy:
            self.idle.set()
            return
        self.idle.clear()
        _, (work, wish) = self._waiting.popitem(last=False)
        loop = asyncio.get_running_loop()

        def finish(done: Future[Any]) -> None:
            with suppress(RuntimeError):  # the loop has ended before the picture was drawn
                loop.call_soon_threadsafe(self._finish, done, wish)

        self._worker.submit(work).add_done_callback(finish)

    def _finish(self, done: Future[Any], wish: asyncio.Future[Any]) -> None:
        error = done.exception()
        if not wish.done():
            wish.set_exception(error) if error is not None else wish.set_result(done.result())
        self._begin()

    def close(self) -> None:
        """Let the thread end; what is wished for from now on is stale."""
        self._closed = True
        self._worker.shutdown(wait=False)
