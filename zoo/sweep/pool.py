"""The local engine: processes that are sent cells one by one, and are replaced when they die.

The pools of the standard library and of joblib give up when one of their processes is killed. Here only its cell is
begun again, by another process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

from zoo.errors import SweepError
from zoo.sweep.plan import PlannedCell, model_key
from zoo.sweep.watch import Watch
from zoo.sweep.worker import CLAIMED, DONE, FAILED, READY, Setup, work

# A cell has failed whose process was killed so many times, by somebody or for lack of memory, or ended by itself.
_MOST_KILLS = 10
_MOST_CRASHES = 3
# Processes that may die one after the other before they have begun.
_MOST_FALSE_STARTS = 20
# Seconds until a cell is asked for again on which another command is at work.
_CLAIMED_FOR = 2.0
# Seconds that processes have to clean up when they are ended.
_GRACE = 5.0


def run_local(cells: Sequence[PlannedCell], setup: Setup, jobs: int, devices: Sequence[str], watch: Watch) -> None:
    """Compute cells in processes of this machine.

    Args:
        cells: The cells.
        setup: What each process needs to know.
        jobs: How many processes there are.
        devices: The devices that they take in turn; empty for that of the settings.
        watch: Is told what becomes of each cell.

    Raises:
        SweepError: If no process can be started.
    """
    pool = _Pool(_Queue(cells), setup, watch)
    try:
        for number in range(min(jobs, len(cells))):
            pool.start(devices[number % len(devices)] if devices else None)
        while pool.queue.waiting or any(worker.planned for worker in pool.workers):
            pool.assign()
            ready = wait([worker.connection for worker in pool.workers], timeout=1.0)
            for worker in list(pool.workers):
                if worker.connection in ready:
                    pool.hear(worker)
            watch.account()
    finally:
        pool.stop()


@dataclass(eq=False)
class _Worker:
    """A process, and the cell that it is at."""

    process: BaseProcess
    connection: Connection
    device: str | None
    ready: bool = False
    planned: PlannedCell | None = None
    model: str | None = None

    @property
    def name(self) -> str:
        return str(self.process.pid)


@dataclass
class _Queue:
    """The cells that wait, by model, so that a process keeps the model that it has open."""

    cells: Sequence[PlannedCell]
    later: list[tuple[float, PlannedCell]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.by_model: dict[str, list[PlannedCell]] = {}
        for planned in reversed(self.cells):  # they are taken from the end
            self.add(planned)

    @property
    def waiting(self) -> bool:
        return bool(self.by_model or self.later)

    def add(self, planned: PlannedCell) -> None:
        self.by_model.setdefault(model_key(planned.cell.model), []).append(planned)

    def postpone(self, planned: PlannedCell, seconds: float) -> None:
        self.later.append((time.monotonic() + seconds, planned))

    def take(self, model: str | None) -> tuple[str, PlannedCell] | None:
        """Take a cell of a model, or else of the model that most cells are left of."""
        due = [entry for entry in self.later if entry[0] <= time.monotonic()]
        for entry in due:
            self.later.remove(entry)
            self.add(entry[1])
        if not self.by_model:
            return None
        if model not in self.by_model:
            model = max(self.by_model, key=lambda key: len(self.by_model[key]))
        planned = self.by_model[model].pop()
        if not self.by_model[model]:
            del self.by_model[model]
        return model, planned


class _Pool:
    """The processes."""

    def __init__(self, queue: _Queue, setup: Setup, watch: Watch) -> None:
        self.queue, self.setup, self.watch = queue, setup, watch
        self.context = _context()
        self.workers: list[_Worker] = []
        self.kills: Counter[str] = Counter()
        self.crashes: Counter[str] = Counter()
        self.false_starts = 0

    def start(self, device: str | None) -> None:
        here, there = self.context.Pipe()
        process = self.context.Process(  # type: ignore[attr-defined]
            target=work, args=(there, replace(self.setup, device=device)), daemon=True
        )
        with _without_main():
            process.start()
        there.close()
        self.workers.append(_Worker(process, here, device))

    def assign(self) -> None:
        for worker in self.workers:
            taken = self.queue.take(worker.model) if worker.ready and worker.planned is None else None
            if taken is None:
                continue
            worker.model, worker.planned = taken
            self.watch.begin(worker.name, worker.planned)
            with suppress(OSError):  # it has died: `hear` is told so
                worker.connection.send((worker.planned.id, worker.planned.cell))

    def hear(self, worker: _Worker) -> None:
        """Take an answer; where the process has died instead, put another one in its place."""
        try:
            answer, _, error = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        planned, worker.planned = worker.planned, None
        if answer == READY:
            worker.ready, self.false_starts = True, 0
        if planned is None:
            return
        if answer == DONE:
            self.watch.finish(worker.name)
        elif answer == FAILED:
            self.watch.fail(worker.name, planned, error)
        elif answer == CLAIMED:
            self.queue.postpone(planned, _CLAIMED_FOR)

    def _bury(self, worker: _Worker) -> None:
        worker.connection.close()
        worker.process.join()
        self.workers.remove(worker)
        if not worker.ready:
            self.false_starts += 1
            if self.false_starts > _MOST_FALSE_STARTS:
                raise SweepError(f"processes end as soon as they are started; see {self.watch.folder.log}")
        if worker.planned is not None:
            self._begin_again(worker, worker.planned)
        self.watch.forget(worker.name)
        if self.queue.waiting:
            self.start(worker.device)

    def _begin_again(self, worker: _Worker, planned: PlannedCell) -> None:
        code = worker.process.exitcode or 0
        killed = -code in _KILLS
        counts, most = (self.kills, _MOST_KILLS) if killed else (self.crashes, _MOST_CRASHES)
        counts[planned.id] += 1
        if self.watch.folder.has(planned.id):  # it died after its last step
            self.watch.finish(worker.name)
        elif counts[planned.id] < most:
            self.watch.again += 1
            self.queue.postpone(planned, 0)
        else:
            how = "was killed, perhaps for lack of memory" if killed else f"ended with code {code}"
            self.watch.fail(worker.name, planned, f"its process {how}, {counts[planned.id]} times")

    def stop(self) -> None:
        """End all processes, and let those that are in the middle of a cell clean up."""
        for worker in self.workers:
            with suppress(OSError):
                worker.process.terminate() if worker.planned else worker.connection.send(None)
        end = time.monotonic() + _GRACE
        for worker in self.workers:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.connection.close()


_KILLS = {getattr(signal, name) for name in ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)}


def _context() -> BaseContext:
    """Choose how processes begin: forked, where that is safe, from a process that has imported torch once."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["zoo.sweep.worker", "PIL.PngImagePlugin", "PIL.WebPImagePlugin", "jinja2"])
    return context


@contextmanager
def _without_main() -> Iterator[None]:
    """Let a new process not run the script of this one again, as it needs nothing of that."""
    main: Any = sys.modules["__main__"]
    hidden = {name: vars(main)[name] for name in ("__file__", "__spec__") if name in vars(main)}
    for name in hidden:
        setattr(main, name, None)
    try:
        yield
    finally:
        vars(main).update(hidden)


def usual_jobs(threads: int) -> int:
    """Return how many processes there are unless the user says: one for each of the cores, or for some of them.

    Args:
        threads: How many threads a process has.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // threads)
