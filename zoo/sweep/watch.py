"""What a command that works on a sweep has done: its progress, and a file by which other shells can see it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from zoo._utils.progress import Progress, silent
from zoo.engines.tasks import Task
from zoo.errors import OutputError, printable
from zoo.sweep.folder import SweepFolder
from zoo.sweep.status import progress_line

# Seconds between two accounts of what is being done, and between two lines about it in a log.
_EVERY, _LOG_EVERY = 2.0, 30.0
# A process that has finished nothing for so many seconds, and is at no cell that is known, is not listed.
_SILENCE = 600.0


@dataclass
class Watch:
    """Counts cells as they are finished, tells of those that fail, and writes down how far the command is.

    Attributes:
        folder: The folder of the sweep.
        total: How many cells this command computes.
        shard: Which shard they are, such as ``2/8``.
        progress: Called when a cell is finished.
        tell: Called with a line for each cell that fails.
        logs: Whether it is also called every half minute, to say how far the work is.
        done: How many cells are finished.
        failed: How many have failed.
        again: How many were begun again, as their process had died.
        workers: By the name of each process, the cell it is at, since when, and how many it has finished.
    """

    folder: SweepFolder
    total: int
    shard: str | None = None
    progress: Progress = silent
    tell: Callable[[str], None] = print
    logs: bool = False
    done: int = 0
    failed: int = 0
    again: int = 0
    workers: dict[str, dict[str, Any]] = field(default_factory=dict)
    _begun: float = field(default_factory=time.time)
    _said: float = 0.0
    _logged: float = field(default_factory=time.time)

    def note(self, line: str) -> None:
        """Tell what the engine has to say of itself."""
        self.tell(line)

    def begin(self, worker: str, task: Task) -> None:
        """Note that a process has begun a cell.

        Args:
            worker: The name of the process.
            task: The cell.
        """
        finished = self.workers.get(worker, {}).get("finished", 0)
        self.workers[worker] = {"cell": str(task.content), "since": time.time(), "finished": finished}

    def finish(self, worker: str, task: Task, _value: object = None) -> None:
        """Note that a process has finished its cell.

        Args:
            worker: The name of the process.
            task: The cell.
        """
        self.done += 1
        self._rest(worker, 1)
        self.progress(self.done + self.failed, self.total, "cells")

    def fail(self, worker: str, task: Task, error: str) -> None:
        """Record that a cell has failed.

        Args:
            worker: The name of the process.
            task: The cell.
            error: What went wrong, in a line.
        """
        self.folder.record_failure(task.name, task.content, error)
        self.failed += 1
        self._rest(worker)
        self.tell(f"failed: {task.content}: {printable(error)}")
        self.progress(self.done + self.failed, self.total, "cells")

    def repeat(self, _worker: str, _task: Task) -> None:
        """Note that a cell is begun again, as its process has died."""
        self.again += 1

    def forget(self, worker: str) -> None:
        """Note that a process has died.

        Args:
            worker: The name of the process.
        """
        self.workers.pop(worker, None)

    def account(self) -> None:
        """Write down what is being done, for ``--status`` in another shell; a full disk does not stop the work."""
        now = time.time()
        if now - self._said < _EVERY:
            return
        self._said = now
        self.workers = {
            name: worker for name, worker in self.workers.items() if worker["cell"] or now - worker["since"] < _SILENCE
        }
        state = self.state()
        if self.logs and now - self._logged >= _LOG_EVERY:
            self._logged = now
            self.tell(progress_line(state))
        with suppress(OutputError):
            self.folder.say(command_name(), state)

    def state(self) -> dict[str, Any]:
        """Return how far the command is, as plain values."""
        seconds, ended = time.time() - self._begun, self.done + self.failed
        return {
            "shard": self.shard,
            "seconds": seconds,
            "done": self.done,
            "failed": self.failed,
            "again": self.again,
            "total": self.total,
            "left": seconds / ended * (self.total - ended) if ended else None,
            "workers": self.workers,
        }

    def _rest(self, worker: str, finished: int = 0) -> None:
        state: Mapping[str, Any] = self.workers.get(worker, {})
        self.workers[worker] = {"cell": None, "since": time.time(), "finished": state.get("finished", 0) + finished}


def command_name() -> str:
    """Name this process among all that may work on a sweep."""
    return f"{platform.node() or 'host'}-{os.getpid()}"
