"""The local engine: processes that are sent tasks one by one, and are replaced when they die.

The pools of the standard library and of joblib give up when one of their processes is killed. Here only its task is
begun again, by another process.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

from zoo.engines.tasks import DONE, FAILED, LATER, Listener, Queue, Setup, Task
from zoo.engines.worker import READY, receive, work
from zoo.errors import EngineError

# A task has failed whose process was killed so many times, by somebody or for lack of memory, or ended by itself.
_MOST_KILLS = 10
_MOST_CRASHES = 3
# Processes that may die one after the other before they have begun.
_MOST_FALSE_STARTS = 20
# Seconds until a task is asked for again on which another command is at work.
_LATER = 2.0
# Seconds that processes have to clean up when they are ended.
_GRACE = 5.0


def run_local(queue: Queue, setup: Setup, jobs: int, devices: Sequence[str], listener: Listener) -> None:
    """Carry tasks out in processes of this machine.

    Args:
        queue: The tasks.
        setup: What each process needs to know.
        jobs: How many processes there are, at most.
        devices: The devices that they take in turn; empty leaves that to the work.
        listener: Is told what becomes of each task.

    Raises:
        EngineError: If no process can do the work.
    """
    pool = _Pool(queue, setup, listener)
    try:
        for number in range(jobs):
            pool.start(devices[number % len(devices)] if devices else None)
        while pool.queue.waiting or any(worker.task for worker in pool.workers):
            pool.assign()
            ready = wait([worker.connection for worker in pool.workers], timeout=1.0)
            for worker in list(pool.workers):
                if worker.connection in ready:
                    pool.hear(worker)
            listener.account()
    finally:
        pool.stop()


@dataclass(eq=False)
class _Worker:
    """A process, and the task that it is at."""

    process: BaseProcess
    connection: Connection
    device: str | None
    ready: bool = False
    task: Task | None = None
    kind: str | None = None

    @property
    def name(self) -> str:
        return str(self.process.pid)

    def send(self, message: Task | None) -> None:
        with suppress(OSError):  # it has died: `hear` is told so
            self.connection.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


class _Pool:
    """The processes."""

    def __init__(self, queue: Queue, setup: Setup, listener: Listener) -> None:
        self.queue, self.setup, self.listener = queue, setup, listener
        self.context = _context(type(setup.work).__module__)
        self.workers: list[_Worker] = []
        self.kills: Counter[str] = Counter()
        self.crashes: Counter[str] = Counter()
        self.false_starts = 0

    def start(self, device: str | None) -> None:
        here, there = self.context.Pipe()
        process = self.context.Process(  # type: ignore[attr-defined]
            target=work, args=(there, self.setup, device), daemon=True
        )
        with _without_main():
            process.start()
        there.close()
        self.workers.append(_Worker(process, here, device))

    def assign(self) -> None:
        for worker in self.workers:
            task = self.queue.take(worker.kind) if worker.ready and worker.task is None else None
            if task is None:
                continue
            worker.kind, worker.task = task.kind, task
            self.listener.begin(worker.name, task)
            worker.send(task)

    def hear(self, worker: _Worker) -> None:
        """Take an answer; where the process has died instead, put another one in its place."""
        try:
            answer, value = receive(worker.connection)
        except (EOFError, OSError):
            self._bury(worker)
            return
        task, worker.task = worker.task, None
        if answer == READY:
            worker.ready, self.false_starts = True, 0
        elif task is None:
            raise EngineError(f"processes cannot do this work: {value}")
        elif answer == DONE:
            self.listener.finish(worker.name, task, value)
        elif answer == FAILED:
            self.listener.fail(worker.name, task, value)
        elif answer == LATER:
            self.queue.postpone(task, _LATER)

    def _bury(self, worker: _Worker) -> None:
        worker.connection.close()
        worker.process.join()
        self.workers.remove(worker)
        if not worker.ready:
            self.false_starts += 1
            if self.false_starts > _MOST_FALSE_STARTS:
                log = f"; see {self.setup.log}" if self.setup.log else ""
                raise EngineError(f"processes end as soon as they are started{log}")
        if worker.task is not None:
            self._begin_again(worker, worker.task)
        self.listener.forget(worker.name)
        if self.queue.waiting:
            self.start(worker.device)

    def _begin_again(self, worker: _Worker, task: Task) -> None:
        code = worker.process.exitcode or 0
        killed = -code in _KILLS
        counts, most = (self.kills, _MOST_KILLS) if killed else (self.crashes, _MOST_CRASHES)
        counts[task.name] += 1
        if counts[task.name] < most:
            self.listener.repeat(worker.name, task)
            self.queue.postpone(task, 0)
        else:
            how = "was killed, perhaps for lack of memory" if killed else f"ended with code {code}"
            self.listener.fail(worker.name, task, f"its process {how}, {counts[task.name]} times")

    def stop(self) -> None:
        """End all processes, and let those that are in the middle of a task clean up."""
        for worker in self.workers:
            with suppress(OSError):
                worker.process.terminate() if worker.task else worker.send(None)
        end = time.monotonic() + _GRACE
        for worker in self.workers:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.connection.close()


_KILLS = {getattr(signal, name) for name in ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)}


def _context(module: str) -> BaseContext:
    """Choose how processes begin: forked, where that is safe, from a process that has imported torch once."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["zoo.engines.worker", module, "PIL.PngImagePlugin", "PIL.WebPImagePlugin", "jinja2"]
    )
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
