"""Compare the ways to compute a Jacobian. Prints a Markdown table for each case.

    python -m benchmarks.jacobian [CASE …] [--quick] [--device cpu|cuda] [--rounds N]

Each row is measured in a process of its own, which loads the network, warms up, and then waits for its turn. The rows
take turns, and the fastest of their rounds counts. Memory is the peak of a process beyond what it used before its first
round (on a GPU: the peak of its tensors). The deviation is the largest from a float64 reference, relative to the
reference's largest entry.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.ways import BASE, CARD_ONLY, CASES, SEARCH, WAYS, Case, Inspected, Task, clock

ROUNDS = 3
QUICK = ("faces",)
MAX_SECONDS = 30.0  # a row that takes longer is not measured again


@dataclass(frozen=True)
class Job:
    """How a case is measured.

    Attributes:
        case: The network and the region.
        device: A device of torch.
        quick: Whether fewer rows of J are computed where the time is extrapolated.
        reference: The file of the reference.
    """

    case: Case
    device: str
    quick: bool
    reference: Path

    def task(self, *, exact: bool = False) -> Task:
        """Load the network.

        Args:
            exact: Whether it computes in float64.

        Returns:
            The case with its network.
        """
        return Task(self.case, self.device, quick=self.quick, folder=self.reference.parent, exact=exact)


def serve(pipe: Connection, title: str, job: Job) -> None:
    """Measure one row in a process of its own: once for each message, until None comes.

    Args:
        pipe: The connection to the process that prints the table.
        title: The title of the row.
        job: How the case is measured.
    """
    warnings.simplefilter("ignore")
    task = job.task()
    torch.func.jvp(task.function, (task.origin,), (torch.ones_like(task.origin),))
    with torch.no_grad():
        work = WAYS[title](task)
        before, seconds, memory = resident(job.device), [], 0
        pipe.send((torch.get_num_threads(), task.rows, task.dim, task.chunk))
        found = Inspected()
        while pipe.recv() is not None:
            forget_peak(job.device)
            start = clock(task.origin.device)
            found = work()
            took = clock(task.origin.device) - start
            seconds.append(found.seconds or took)
            memory = max(memory, peak(job.device) - before)
            pipe.send(took)
    computed = 0 if found.rows is None else len(found.rows)
    pipe.send((min(seconds), memory, computed, deviation(found, task, torch.load(job.reference))))


def refer(job: Job) -> None:
    """Write some columns of J, computed by torch's forward mode in float64: (rows, columns).

    Args:
        job: How the case is measured, and the file to write.
    """
    warnings.simplefilter("ignore")
    task = job.task(exact=True)
    axes = torch.eye(task.dim, dtype=torch.float64, device=task.origin.device)[task.columns]
    columns = [torch.func.jvp(task.function, (task.origin,), (axis,))[1].cpu() for axis in axes]
    torch.save(torch.stack(columns, dim=1), job.reference)


def deviation(found: Inspected, task: Task, wanted: Tensor) -> float | None:
    """Compare a result with the reference.

    Args:
        found: The result of one way.
        task: The case with its network.
        wanted: The reference, (rows, columns).

    Returns:
        The largest deviation, relative to the reference's largest entry; None where the way computes no Jacobian.
    """
    if found.gram is not None and found.region is not None:
        wanted = wanted[torch.from_numpy(found.region.mask[task.region.mask])]
        wanted = wanted.T @ wanted / len(wanted)
        computed = found.gram[task.columns][:, task.columns]
    elif found.jacobian is not None:
        computed = found.jacobian[:, task.columns].cpu().double()
        wanted = wanted if found.rows is None else wanted[found.rows.cpu()]
    else:
        return None
    return float((computed - wanted).abs().max() / wanted.abs().max())


def status(name: str) -> int:
    """Read a size of this process.

    Args:
        name: Its name in /proc/self/status.

    Returns:
        The size in bytes.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def resident(device: str) -> int:
    """Return the bytes in use.

    Args:
        device: A device of torch.

    Returns:
        The bytes of the process, or of tensors on a GPU.
    """
    return torch.cuda.memory_allocated() if device == "cuda" else status("VmRSS")


def peak(device: str) -> int:
    """Return the largest number of bytes in use since `forget_peak`.

    Args:
        device: A device of torch.

    Returns:
        The bytes of the process, or of tensors on a GPU.
    """
    return torch.cuda.max_memory_allocated() if device == "cuda" else status("VmHWM")


def forget_peak(device: str) -> None:
    """Measure the peak from now on.

    Args:
        device: A device of torch.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        with suppress(OSError):  # where this is not allowed, loading and warming up are included
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


@dataclass(frozen=True)
class Measured:
    """A row of a table.

    Attributes:
        seconds: The fastest time.
        memory: Peak of the memory in bytes.
        computed: Number of rows of J from which the time is extrapolated; 0 if all were computed.
        deviation: The deviation from the reference; None where nothing is compared.
    """

    seconds: float
    memory: int
    computed: int
    deviation: float | None


def receive(pipe: Connection) -> Any:
    """Wait for the answer of a row.

    Args:
        pipe: The connection to its process.

    Returns:
        The answer; None if the process failed, which printed the reason.
    """
    try:
        return pipe.recv()
    except EOFError:
        return None


def measure(case: Case, device: str, rounds: int, *, quick: bool) -> tuple[str, dict[str, Measured]]:
    """Let the rows of a case take turns.

    Args:
        case: The case.
        device: A device of torch.
        rounds: How often each row is measured.
        quick: Whether fewer rows of J are computed where the time is extrapolated.

    Returns:
        What the rows have in common, in words, and what was measured for each.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        job = Job(case, device, quick, Path(folder) / "reference.pt")
        process = context.Process(target=refer, args=(job,))
        process.start()
        process.join()
        pipes = {}
        for title in WAYS:
            if (title != CARD_ONLY or device == "cuda") and (title != SEARCH or case.long):
                pipes[title], there = context.Pipe()
                context.Process(target=serve, args=(there, title, job), daemon=True).start()
                there.close()
        sizes = {title: receive(pipe) for title, pipe in pipes.items()}
        latest = {title: 0.0 for title, size in sizes.items() if size}
        for turn in range(rounds):
            for title in [title for title, seconds in latest.items() if seconds < MAX_SECONDS]:
                pipes[title].send("go")
                if (seconds := receive(pipes[title])) is None:
                    del latest[title]
                    continue
                latest[title] = seconds
                print(f"{case.model}, round {turn + 1}: {title}: {seconds:.2g} s", file=sys.stderr)
        found = {}
        for title in latest:
            pipes[title].send(None)
            found[title] = Measured(*receive(pipes[title]))
    threads, rows, dim, chunk = sizes[BASE]
    processor = torch.cuda.get_device_name() if device == "cuda" else f"threads: {threads}"
    shape = f"J is {rows} x {dim}, {chunk} tangents at a time"
    return f"{shape}; torch {torch.__version__}, {processor}, the fastest of {rounds}", found


def table(case: Case, shared: str, found: dict[str, Measured]) -> str:
    """Format the rows of a case as a Markdown table.

    Args:
        case: The case.
        shared: What the rows have in common, in words.
        found: What was measured for each row.

    Returns:
        A line about the case, and the table.
    """
    lines = [f"`{case.model}`, `{case.region}`: {shared}.", ""]
    lines += ["| way | seconds | memory | x images | deviation |", "| --- | ---: | ---: | ---: | ---: |"]
    for title, row in found.items():
        name = f"{title} (extrapolated from {row.computed} rows)" if row.computed else title
        off = "" if row.deviation is None else f"{row.deviation:.0e}"
        ratio = row.seconds / found[BASE].seconds
        lines.append(f"| {name} | {short(row.seconds)} | {row.memory / 1e6:.0f} MB | {short(ratio)} | {off} |")
    return "\n".join(lines)


def short(number: float) -> str:
    """Format a number with two significant digits, or as an integer from 10 on.

    Args:
        number: The number.

    Returns:
        The text.
    """
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def chosen(names: list[str], device: str, *, quick: bool) -> Iterator[Case]:
    """Choose the cases to measure.

    Args:
        names: Their names; an empty list stands for all that suit the device.
        device: A device of torch.
        quick: Whether to choose the small ones.

    Yields:
        The cases.
    """
    for name, case in CASES.items():
        usual = name in QUICK if quick else not case.card or device == "cuda"
        if name in names or (not names and usual):
            yield case


def main() -> None:
    """Measure every case and print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--quick", action="store_true", help="one small case, one round, fewer rows")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no case is called {' or '.join(sorted(unknown))}: there are {', '.join(CASES)}")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch finds no GPU here")
    for case in chosen(options.cases, options.device, quick=options.quick):
        if case.shape and importlib.util.find_spec("benchmarks.shapes") is None:
            print(f"{case.model} is left out: benchmarks/shapes.py is not there", file=sys.stderr)
            continue
        rounds = 1 if options.quick else options.rounds
        print(table(case, *measure(case, options.device, rounds, quick=options.quick)), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
