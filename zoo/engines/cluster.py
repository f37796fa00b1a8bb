"""The engine ray: plain tasks of a Ray cluster, which begins those again whose process or node is lost."""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from zoo._version import __version__
from zoo.engines.tasks import DONE, LATER, Listener, Queue, Setup, Task, carry_out
from zoo.engines.worker import prepare
from zoo.errors import EngineError, OptionError, message_of, one_line

# How often Ray begins a task again whose process has died.
_MOST_RETRIES = 10
# Tasks that are submitted for each that can run at a time, so that no process waits: more would only take memory.
_AHEAD = 2
# Seconds between two looks at the tasks, and until one is asked for again on which another command is at work.
_EVERY, _LATER = 1.0, 2.0
# Seconds that tasks have to end.
_GRACE = 5.0
# Seconds between two looks at the size of the cluster, which may grow.
_LOOK = 10.0
# Bytes for results on the way, where zoo starts a cluster on this machine; Ray would take 30 % of the memory.
_OBJECT_STORE = 200 * 10**6

# What Ray says where none runs on this machine.
_NONE_RUNS = "Could not find any running Ray instance"

# In a process of the cluster: what the process was prepared for, and the function that carries tasks out.
_prepared: list[tuple[Setup, Callable[[Task], Any]]] = []


def import_ray() -> Any:
    """Import Ray, without its usage statistics.

    Returns:
        The module.

    Raises:
        OptionError: If it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what Ray is going to do; else it warns
    try:
        import ray
    except ImportError:
        raise OptionError("--on ray needs Ray: pip install 'latent-zoo[ray]'") from None
    return ray


def run_on_ray(queue: Queue, setup: Setup, jobs: int | None, address: str | None, listener: Listener) -> None:
    """Carry tasks out on a Ray cluster, whose nodes all have this version of zoo.

    Args:
        queue: The tasks.
        setup: What each process needs to know; each task gets its threads as CPUs, and a GPU where it has one.
        jobs: How many tasks run at a time, at most; None is as many as the cluster has room for.
        address: The address of the cluster; None is that of ``RAY_ADDRESS``, one that runs on this machine, or else a
            new one on this machine, which ``local`` starts in any case.
        listener: Is told what becomes of each task.

    Raises:
        OptionError: If Ray is not installed, or no cluster answers at the address.
        EngineError: If a process of the cluster cannot do the work.
    """
    ray = import_ray()
    if not ray.is_initialized():  # it stays connected until this process ends, for tasks to come
        with _own_signals():
            _connect(ray, setup.threads, jobs, address)
    _Tasks(ray, queue, setup, jobs, listener).run()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what a signal does to this process: Ray would end it at SIGTERM without cleaning up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _connect(ray: Any, threads: int, jobs: int | None, address: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    address = address or os.environ.get("RAY_ADDRESS")
    if address != "local":
        try:
            ray.init(address=address or "auto", **quiet)
            return
        except Exception as error:
            if address is not None or _NONE_RUNS not in str(error):
                told = one_line(message_of(error))
                raise OptionError(f"--address {address or 'auto'}: no Ray cluster answers: {told}") from error
    cpus = None if jobs is None else jobs * threads
    ray.init(address="local", num_cpus=cpus, object_store_memory=_OBJECT_STORE, include_dashboard=False, **quiet)


class _Tasks:
    """The tasks: as many are submitted as keep the cluster busy, and the others stay in the queue."""

    def __init__(self, ray: Any, queue: Queue, setup: Setup, jobs: int | None, listener: Listener) -> None:
        self.ray, self.queue, self.listener, self.jobs = ray, queue, listener, jobs
        gpu = setup.device.startswith("cuda") or (setup.device == "auto" and torch.cuda.is_available())
        self.needs = {"CPU": float(setup.threads), "GPU": 1.0 if gpu else 0.0}
        variables = _variables(setup)
        self.compute = ray.remote(
            num_cpus=setup.threads,
            num_gpus=self.needs["GPU"],
            max_retries=_MOST_RETRIES,
            runtime_env={"env_vars": variables},
        )(_compute)
        device = "cuda" if gpu else "cpu"
        self.setup = ray.put(replace(setup, device=device, environment=variables, log=None))
        self.submitted: dict[Any, Task] = {}
        self.most, self.looked = 1, 0.0
        self.kind: str | None = None

    def run(self) -> None:
        self._describe()
        try:
            while self.queue.waiting or self.submitted:
                self._submit()
                if not self.submitted:
                    time.sleep(_EVERY / 10)
                else:
                    waiting = list(self.submitted)
                    ready, _ = self.ray.wait(waiting, num_returns=1, timeout=_EVERY)
                    if ready:  # and whatever else is: each look at many tasks takes its time
                        ready, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0)
                    for reference in ready:
                        self._take(reference, self.submitted.pop(reference))
                self.listener.account()
        finally:
            self._end()

    def _end(self) -> None:
        """End what still runs, and wait until it has ended, so that what it began to write can be deleted."""
        for reference in self.submitted:
            self.ray.cancel(reference, force=True)
        if self.submitted:
            self.ray.wait(list(self.submitted), num_returns=len(self.submitted), timeout=_GRACE)

    def _submit(self) -> None:
        if not self.looked or time.monotonic() - self.looked > _LOOK:
            self.most, self.looked = self._room(), time.monotonic()
        while len(self.submitted) < self.most and (task := self.queue.take(self.kind)) is not None:
            self.kind = task.kind  # one after the other, as any process gets any task
            self.submitted[self.compute.remote(self.setup, task, (__version__, torch.__version__))] = task

    def _room(self) -> int:
        """Return how many tasks to submit: all that can run at a time, and some to follow."""
        return max(1, _AHEAD * self._slots(self._nodes())) if self.jobs is None else self.jobs

    def _nodes(self) -> list[dict[str, float]]:
        return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]

    def _slots(self, nodes: list[dict[str, float]]) -> int:
        """Return how many tasks run at a time on some nodes, of which each has room for whole ones."""
        return sum(min(int(node.get(name, 0) // need) for name, need in self.needs.items() if need) for node in nodes)

    def _describe(self) -> None:
        """Tell what the cluster has, and if a task cannot run there."""
        nodes = self._nodes()
        there = {name: sum(node.get(name, 0) for node in nodes) for name in self.needs}
        self.listener.note(f"Ray has nodes: {len(nodes)}, CPUs: {there['CPU']:g}, GPUs: {there['GPU']:g}")
        if not self._slots(nodes):
            needs = " and ".join(f"{name}s: {need:g}" for name, need in self.needs.items() if need)
            self.listener.note(f"no node has what a task needs ({needs}): they wait until there is one")

    def _take(self, reference: Any, task: Task) -> None:
        try:
            answer, value, worker = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:  # what `carry_out` does not catch is no fault of the task
            cause = getattr(error, "cause", None) or error
            raise EngineError(f"a process of the cluster cannot do this work: {one_line(message_of(cause))}") from None
        except self.ray.exceptions.RayError as error:
            self.listener.fail("lost", task, f"its process was lost again and again: {type(error).__name__}")
            return
        if answer == LATER:
            self.queue.postpone(task, _LATER)
        elif answer == DONE:
            self.listener.finish(worker, task, value)
        else:
            self.listener.fail(worker, task, str(value))


def _variables(setup: Setup) -> dict[str, str]:
    """Return the variables that processes of the cluster get: those of zoo, and where Python finds it."""
    variables = {name: value for name, value in setup.environment.items() if name.startswith("ZOO_")}
    if path := setup.environment.get("PYTHONPATH"):
        variables["PYTHONPATH"] = os.pathsep.join(os.path.abspath(one) for one in path.split(os.pathsep) if one)  # noqa: PTH100
    return {**variables, "OMP_NUM_THREADS": str(setup.threads)}


def _compute(setup: Setup, task: Task, versions: tuple[str, str]) -> tuple[str, Any, str]:
    """Carry a task out in a process of the cluster, which stays prepared for the next one of the same work."""
    worker = f"{platform.node()}-{os.getpid()}"
    if not _prepared or _prepared[0][0] != setup:
        if versions != (__version__, torch.__version__):
            here = f"zoo {__version__} and torch {torch.__version__}"
            raise EngineError(f"{worker} has {here}, but zoo {versions[0]} and torch {versions[1]} are needed")
        _prepared[:] = [(setup, prepare(setup, setup.device))]
    return (*carry_out(_prepared[0][1], task), worker)
