"""What a search may cost: which solver pays, how many gradients fit into memory, and how far it has come."""

from __future__ import annotations

import torch

from zoo._utils.progress import Progress
from zoo._utils.sizes import format_size
from zoo.errors import OptionError
from zoo.inversion.solving.problem import Problem
from zoo.jacobian.columns import MEMORY_OVERHEAD
from zoo.jacobian.memory import MemoryModel, peak_bytes

# Numbers of J up to which Levenberg–Marquardt pays: beyond, one J costs more than the gradients of a whole search.
_MOST_NUMBERS = {"cpu": 2**25, "cuda": 2**27}
# Gradients that are computed at a time, and pixels of their images: those of 256² take 0.5 GB each.
_MOST_IN_BATCH, _MOST_PIXELS = 8, 2**18


class Clock:
    """Tells the progress of a search, which may end early.

    Args:
        progress: Told how many rounds are done.
        total: How many there are at most.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def tick(self, count: int = 1) -> None:
        """Count rounds.

        Args:
            count: How many more are done.
        """
        self.advance_to(self._done + count)

    def advance_to(self, done: int) -> None:
        """Leave out rounds that were not needed.

        Args:
            done: How many are done now.
        """
        self._done = min(max(self._done, done), self._total - 1)
        self._progress(self._done, self._total, "projecting")

    def finish(self) -> None:
        """Tell that the search is done."""
        self._progress(self._total, self._total, "projecting")


def choose_method(problem: Problem) -> tuple[bool, str]:
    """Decide whether exact Jacobians pay.

    Args:
        problem: The pictures and the network.

    Returns:
        Whether they do, and the method in words, with the reason.
    """
    adapter = problem.adapter
    rows, dim = problem.rows, adapter.space.dim
    most = _MOST_NUMBERS["cuda" if adapter.device.type == "cuda" else "cpu"]
    shape = f"J has {rows:,} x {dim:,} numbers"
    if rows * dim > most:
        return False, f"L-BFGS: {shape}, more than pay here"
    return True, f"L-BFGS, then Levenberg–Marquardt with exact Jacobians: {shape}"


def batch_size(problem: Problem) -> int:
    """Choose how many gradients are computed at a time.

    Args:
        problem: The pictures and the network; codes have classes where the network needs them.

    Returns:
        The number.

    Raises:
        OptionError: If the memory does not suffice for one.
    """
    height, width = problem.adapter.resolution
    most = max(1, min(_MOST_IN_BATCH, _MOST_PIXELS // (height * width)))
    memory = problem.budget.memory
    if memory is None:
        return most
    dim = problem.adapter.space.dim

    def work(size: int) -> object:
        zeros = torch.zeros(size, dim, dtype=torch.float64, device=problem.pictures.device)
        return problem.take([0] * size).evaluate(zeros, 0.0)

    one = MEMORY_OVERHEAD * peak_bytes(lambda: work(1))[0]
    if one > memory:
        needed = format_size(1.02 * one)
        raise OptionError(f"--memory {format_size(memory)}: one gradient here needs {needed}: allow that much")
    if most == 1 or 2 * one > memory:  # counting what two need would itself take more than is allowed
        return 1
    return max(1, MemoryModel(work).largest(int(memory / MEMORY_OVERHEAD), most))
