"""Long work: one job after the other in a thread of its own, with progress, and cancelled between two steps of it."""

from __future__ import annotations

import secrets
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from zoo._utils.progress import Progress
from zoo._utils.writing.claims import TakenError
from zoo.errors import OptionError, UnknownNameError, ZooError, is_out_of_memory, message_of, one_line

# Jobs that wait, and finished ones that are remembered.
_MOST_WAITING = 16
_MOST_KEPT = 200
# Seconds of work before the rest is estimated.
_LEAST_SECONDS = 1.0
# Seconds for which a step of a job waits while pictures are rendered.
_SECONDS_TO_GIVE_WAY = 0.2


class CancelledError(KeyboardInterrupt):
    """A job was cancelled. It passes through the work as Ctrl-C does, and ends it in the same way."""


@dataclass(eq=False)
class Job:
    """One piece of work.

    Attributes:
        session: The session that it belongs to.
        quiet: Set while nobody waits for a picture.
        id: What it is called.
        state: ``waiting``, ``running``, ``done``, ``failed`` or ``cancelled``.
        text: What is being done.
        done: Steps done.
        total: Steps in all; 0 where that is not known.
        result: What came of it.
        error: Why it failed, in a sentence.
        taken: Whether it failed because the folder that it was to write exists.
    """

    session: str
    quiet: threading.Event
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = "waiting"
    text: str = "waiting for other work"
    done: int = 0
    total: int = 0
    result: Any = None
    error: str | None = None
    taken: bool = False
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _since: float = 0.0
    _from: int = 0

    def progress(self, done: int, total: int, what: str) -> None:
        """Take note of progress.

        Args:
            done: Steps done.
            total: Steps in all.
            what: What is being done.

        Raises:
            CancelledError: If the job was cancelled.
        """
        if self._cancelled.is_set():
            raise CancelledError
        self.quiet.wait(_SECONDS_TO_GIVE_WAY)
        if what != self.text:
            self._since, self._from = time.monotonic(), done
        self.text, self.done, self.total = what, done, total

    def cancel(self) -> None:
        """End the job at its next step."""
        self._cancelled.set()
        if self.state == "waiting":
            self.state = "cancelled"

    def as_json(self) -> dict[str, Any]:
        """Tell the page how far it is."""
        told = {"id": self.id, "state": self.state, "text": one_line(self.text), "done": self.done, "total": self.total}
        ended = {"result": self.result, "error": self.error, "taken": self.taken}
        return {**told, "left_s": self._seconds_left(), **ended}

    def _seconds_left(self) -> float | None:
        """Estimate the time for what is being done now."""
        passed, steps = time.monotonic() - self._since, self.done - self._from
        if self.state != "running" or not self.total or steps <= 0 or passed < _LEAST_SECONDS:
            return None
        return round(passed / steps * (self.total - self.done), 1)

    def run(self, work: Callable[[Progress], Any]) -> None:
        """Do the work in this thread.

        Args:
            work: Called with the progress callback.
        """
        if self._cancelled.is_set():
            return
        self.state, self.text = "running", "starting"
        try:
            self.result = work(self.progress)
            self.state = "cancelled" if self._cancelled.is_set() else "done"
        except CancelledError:
            self.state = "cancelled"
        except BaseException as error:  # code of plugins may raise anything
            self.error, self.taken = explain(error), isinstance(error, TakenError)
            self.state = "failed"


class Jobs:
    """All jobs of all sessions; one runs at a time.

    Args:
        quiet: Set while nobody waits for a picture. Jobs give way otherwise, between two steps and for a moment.
    """

    def __init__(self, quiet: threading.Event) -> None:
        self._quiet = quiet
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._worker = ThreadPoolExecutor(1, "zoo-studio-job")

    def start(self, session: str, work: Callable[[Progress], Any]) -> Job:
        """Queue work.

        Args:
            session: The session that it belongs to.
            work: Called with a progress callback; what it returns is the job's result.

        Returns:
            The job.

        Raises:
            OptionError: If too many jobs wait.
        """
        if sum(job.state == "waiting" for job in self._jobs.values()) >= _MOST_WAITING:
            raise OptionError(f"{_MOST_WAITING} jobs wait already: wait for one of them, or cancel it")
        job = Job(session, self._quiet)
        self._jobs[job.id] = job
        for old in [one for one in self._jobs.values() if one.state not in {"waiting", "running"}][:-_MOST_KEPT]:
            del self._jobs[old.id]
        self._worker.submit(job.run, work)
        return job

    def find(self, session: str, name: str) -> Job:
        """Find a job.

        Args:
            session: The session that it belongs to.
            name: What it is called.

        Returns:
            The job.

        Raises:
            UnknownNameError: If there is none; a studio that was restarted has forgotten its jobs.
        """
        job = self._jobs.get(name)
        if job is None or job.session != session:
            raise UnknownNameError("this work is not known: the studio was restarted meanwhile, so begin it again")
        return job

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return any(job.state == "running" for job in self._jobs.values())

    def close(self) -> None:
        """Cancel everything."""
        for job in self._jobs.values():
            job.cancel()
        self._worker.shutdown(wait=False)


def explain(error: BaseException) -> str:
    """Say in a sentence what went wrong, as the command would; what is a bug is printed with its traceback.

    Args:
        error: What was raised.

    Returns:
        The sentence.
    """
    notes = getattr(error, "__notes__", ())
    if isinstance(error, ZooError):
        return one_line("; ".join([message_of(error), *notes]))
    if is_out_of_memory(error):
        return "out of memory: choose fewer codes, a smaller chunk or a smaller model"
    traceback.print_exception(error, file=sys.stderr)
    return one_line(f"internal error, please report it: {type(error).__name__}: {message_of(error)}")
