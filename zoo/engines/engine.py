"""The choice of an engine, in the words of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from zoo.engines.cluster import import_ray, run_on_ray
from zoo.engines.pool import run_local, usual_jobs
from zoo.engines.tasks import Listener, Queue, Setup
from zoo.errors import OptionError

ENGINES = ("local", "ray")


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Where tasks are carried out.

    Attributes:
        on: ``local``, processes of this machine, or ``ray``, a Ray cluster.
        address: The address of the cluster; None looks for one, or starts one on this machine.
        jobs: How many tasks are carried out at a time; None is as many as there are cores or GPUs for.
    """

    on: str = "local"
    address: str | None = None
    jobs: int | None = None

    def check(self) -> None:
        """Refuse what is wrong with the words.

        Raises:
            OptionError: If there is no such engine, or what it needs is not installed.
        """
        if self.on not in ENGINES:
            raise OptionError(f"--on {self.on}: there are {' and '.join(ENGINES)}")
        if self.jobs is not None and not 1 <= self.jobs <= 1024:
            raise OptionError(f"--jobs {self.jobs}: it is at least 1 and at most 1,024")
        if self.on == "ray":
            import_ray()
        elif self.address is not None:
            raise OptionError("--address is that of a Ray cluster, which needs --on ray")

    def jobs_for(self, threads: int, device: str) -> int:
        """Return how many tasks this machine carries out at a time.

        Args:
            threads: How many threads a process has.
            device: Where it computes; see `Setup.device`.
        """
        return self.jobs or len(_gpus(device)) or usual_jobs(threads)

    def run(self, queue: Queue, setup: Setup, listener: Listener, count: int) -> None:
        """Carry tasks out.

        Args:
            queue: The tasks.
            setup: What each process needs to know.
            listener: Is told what becomes of each task.
            count: How many tasks there are.

        Raises:
            OptionError: If no cluster answers at the address.
            EngineError: If no process can do the work.
        """
        if self.on == "ray":
            run_on_ray(queue, setup, self.jobs, self.address, listener)
        else:
            jobs = self.jobs_for(setup.threads, setup.device)
            run_local(queue, setup, min(jobs, count), _gpus(setup.device), listener)


# Processes of this machine, as many as it has room for.
USUAL_ENGINE = Engine()


def engine_of(on: str | None, address: str | None, jobs: int | None) -> Engine | None:
    """Make an engine of the words of a single analysis.

    Args:
        on: The name of the engine; None takes derivatives in this process.
        address: The address of a cluster.
        jobs: How many processes there are.

    Returns:
        The engine, if one was named.

    Raises:
        OptionError: If an option of an engine is given without one.
    """
    if on is not None:
        return Engine(on=on, address=address, jobs=jobs)
    for name, value in {"--address": address, "--jobs": jobs}.items():
        if value is not None:
            raise OptionError(f"{name} {value} is of processes that share an analysis: pass --on local or --on ray too")
    return None


def _gpus(device: str) -> Sequence[str]:
    """Return the GPUs that processes take in turn, where none of them is named."""
    if device not in {"auto", "cuda"} or not torch.cuda.is_available():
        return ()
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
