"""What the handlers of requests share: models, jobs, the queue of pictures, and the folders of sessions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from zoo.studio.bodies import View
from zoo.studio.jobs import Jobs
from zoo.studio.kept.analyses import Analyses
from zoo.studio.kept.limits import Limits
from zoo.studio.kept.masks import Masks
from zoo.studio.kept.requests import origins, steps
from zoo.studio.kept.sessions import Session
from zoo.studio.newest import NewestOnly
from zoo.studio.shown.opened import OpenModels
from zoo.studio.shown.preview import Pictures
from zoo.studio.shown.views import Scene

Result = TypeVar("Result")

# Seconds between two looks at work that is ending.
_SECONDS_BETWEEN = 0.02


@dataclass(frozen=True, eq=False)
class Services:
    """Everything behind the handlers. Three threads work: one renders, one does jobs, one reads and writes files.

    Attributes:
        models: The models.
        runs: The folder of all runs.
        analyses: Carries analyses out.
        renders: The queue of pictures.
        jobs: Long work.
        pictures: Draws them, in the thread of that queue.
    """

    models: OpenModels
    runs: Path
    analyses: Analyses
    renders: NewestOnly
    jobs: Jobs
    pictures: Pictures = field(default_factory=Pictures)
    _files: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "zoo-studio-files"))

    @cached_property
    def limits(self) -> Limits:
        """How much is kept."""
        return Limits(self.runs)

    async def make_room(self, session: Session, more: int = 0) -> None:
        """Make room for what a session is about to keep.

        Args:
            session: The session.
            more: How many bytes it is.

        Raises:
            OptionError: If there is none.
        """
        await self.on_files(lambda: self.limits.make_room(session.id, more))

    @property
    def masks(self) -> Masks:
        """The painted masks."""
        return Masks(self.runs)

    async def on_files(self, work: Callable[[], Result]) -> Result:
        """Do what reads or writes files, one after the other.

        Args:
            work: What to do.

        Returns:
            What it returns.
        """
        return await asyncio.get_running_loop().run_in_executor(self._files, work)

    def wait(self, seconds: float) -> bool:
        """Wait for the end of what was under way when everything was cancelled.

        Args:
            seconds: How long to wait at most.

        Returns:
            Whether it has ended.
        """
        until = time.monotonic() + seconds
        while self.jobs.running and time.monotonic() < until:
            time.sleep(_SECONDS_BETWEEN)
        return self.renders.idle.wait(max(0.0, until - time.monotonic())) and not self.jobs.running

    def close(self) -> None:
        """Cancel all work, and let the threads end."""
        self.jobs.close()
        self.renders.close()
        self._files.shutdown(wait=False, cancel_futures=True)


def scene_of(session: Session, view: View) -> Scene:
    """Read what pictures show.

    Args:
        session: The session, which knows uploads and results.
        view: What the page asks for.

    Returns:
        The scene.
    """
    return Scene(origins(session, view.codes), steps(session, view.moves))
