"""What the handlers of requests share: models, jobs, the queue of pictures, and the folders of sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from zoo.studio.bodies import Code, Step, View
from zoo.studio.jobs import Jobs
from zoo.studio.kept.analyses import Analyses
from zoo.studio.kept.masks import Masks
from zoo.studio.kept.results import Results
from zoo.studio.kept.sessions import Session
from zoo.studio.kept.uploads import Uploads
from zoo.studio.newest import NewestOnly
from zoo.studio.shown.opened import OpenModels, Origin
from zoo.studio.shown.views import Along, Scene, along_of, origin_of

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Services:
    """Everything behind the handlers. Three threads work: one renders, one does jobs, one reads and writes files.

    Attributes:
        models: The models.
        runs: The folder of all runs.
        analyses: Carries analyses out.
        jobs: Long work.
        renders: The queue of pictures.
    """

    models: OpenModels
    runs: Path
    analyses: Analyses
    jobs: Jobs = field(default_factory=Jobs)
    renders: NewestOnly = field(default_factory=NewestOnly)
    _files: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "zoo-studio-files"))

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


def origins(session: Session, codes: tuple[Code, ...]) -> tuple[Origin, ...]:
    """Read where codes come from.

    Args:
        session: The session.
        codes: The codes.

    Returns:
        Their origins.
    """
    uploads = Uploads(session)
    return tuple(origin_of(code, lambda name: uploads.path(name, "codes")) for code in codes)


def steps(session: Session, moves: tuple[Step, ...]) -> tuple[Along, ...]:
    """Read what codes are moved along.

    Args:
        session: The session.
        moves: The steps.

    Returns:
        The same with the paths of their files.
    """
    results = Results(session)
    return tuple(along_of(step, results.path) for step in moves)
