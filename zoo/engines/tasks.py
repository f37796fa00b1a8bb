"""Tasks, the order in which they are handed out, and what an engine tells of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from zoo._utils.writing.claims import ClaimedError
from zoo.errors import ZooError, is_out_of_memory, message_of, one_line

# What becomes of a task. One that somebody else is at work on is asked for again later.
DONE, FAILED, LATER = "done", "failed", "later"


@dataclass(frozen=True)
class Task:
    """Something that a process carries out. It can be begun again at any time.

    Attributes:
        name: Its name, which no other task has.
        content: What `Work.open` returned is called with; it can be pickled.
        kind: A process that has done a task of this kind does the next one sooner.
    """

    name: str
    content: Any
    kind: str = ""


class Work(Protocol):
    """What all tasks have in common. It can be pickled, and is sent to each process once."""

    def open(self, device: str | None) -> Callable[[Task], Any]:
        """Prepare a process.

        Args:
            device: Where it computes, such as ``cuda:1``; None leaves that to the work.

        Returns:
            A function that carries out a task, and returns something that can be pickled.

        Raises:
            ZooError: If the process cannot do this work.
        """


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a process needs to know before it is sent a task.

    Attributes:
        work: What all tasks have in common.
        threads: How many threads it computes with.
        device: Where the work computes: ``auto``, ``cpu`` or ``cuda``, or one GPU such as ``cuda:1``.
        environment: The variables of the process above.
        working_folder: Its working folder.
        log: The file for what it prints; None lets it print where the process above prints.
    """

    work: Work
    threads: int
    device: str
    environment: Mapping[str, str]
    working_folder: str
    log: Path | None = None


class Listener(Protocol):
    """Is told what becomes of each task."""

    def note(self, line: str) -> None:
        """Take what the engine has to say of itself."""

    def begin(self, worker: str, task: Task) -> None:
        """Note that a process has begun a task, as far as the engine knows."""

    def finish(self, worker: str, task: Task, value: Any) -> None:
        """Take what a task returned."""

    def fail(self, worker: str, task: Task, error: str) -> None:
        """Take what went wrong, in a line."""

    def repeat(self, worker: str, task: Task) -> None:
        """Note that a task is begun again, as its process has died."""

    def forget(self, worker: str) -> None:
        """Note that a process has died."""

    def account(self) -> None:
        """Note that time has passed; it is called about once a second."""


class Queue:
    """The tasks that wait, by kind."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._by_kind: dict[str, list[Task]] = {}
        self._later: list[tuple[float, Task]] = []
        for task in reversed(list(tasks)):  # they are taken from the end
            self.add(task)

    @property
    def waiting(self) -> bool:
        """Whether there is any task, now or later."""
        return bool(self._by_kind or self._later)

    def add(self, task: Task) -> None:
        """Let a task be the next of its kind."""
        self._by_kind.setdefault(task.kind, []).append(task)

    def postpone(self, task: Task, seconds: float) -> None:
        """Add a task after some seconds."""
        self._later.append((time.monotonic() + seconds, task))

    def take(self, kind: str | None) -> Task | None:
        """Take a task of a kind, or else of the kind that most tasks are left of; None where none waits now."""
        for due in [entry for entry in self._later if entry[0] <= time.monotonic()]:
            self._later.remove(due)
            self.add(due[1])
        if not self._by_kind:
            return None
        if kind not in self._by_kind:
            kind = max(self._by_kind, key=lambda one: len(self._by_kind[one]))
        task = self._by_kind[kind].pop()
        if not self._by_kind[kind]:
            del self._by_kind[kind]
        return task


def carry_out(function: Callable[[Task], Any], task: Task) -> tuple[str, Any]:
    """Carry a task out, whatever becomes of it.

    Args:
        function: What `Work.open` returned.
        task: The task.

    Returns:
        `DONE` and what the function returned; `FAILED` and what went wrong in a line; or `LATER` and None.
    """
    try:
        return DONE, function(task)
    except ClaimedError:
        return LATER, None
    except ZooError as error:
        return FAILED, one_line(str(error))
    except Exception as error:
        if is_out_of_memory(error):
            return FAILED, "out of memory: fewer samples, a smaller chunk or fewer --jobs need less"
        return FAILED, one_line(f"{type(error).__name__}: {message_of(error)}")
