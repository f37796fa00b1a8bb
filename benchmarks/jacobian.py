"""What does a Jacobian cost, computed one way or another? Prints a Markdown table for each case.

    python -m benchmarks.jacobian [CASE …] [--quick] [--device cpu|cuda] [--rounds N]

Each row is a process of its own, which loads the network, warms up, and then works when it is told to: the rows take
turns, and the fastest of their rounds counts. Memory is what a process took at most beyond what it held before its
first round (on a graphics card: what its tensors took). The deviation is the largest from a float64 reference, relative
to the reference's largest entry.
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
LONG = 30.0
"""Seconds after which a row is not measured again."""


@dataclass(frozen=True)
class Job:
    """A case, where and how thoroughly it is measured, and the file of its reference."""

    case: Case
    device: str
    quick: bool
    reference: Path

    def task(self, *, exact: bool = False) -> Task:
        """Load the network, in float64 if `exact`."""
        return Task(self.case, self.device, quick=self.quick, folder=self.reference.parent, exact=exact)


def serve(pipe: Connection, title: str, job: Job) -> None:
    """Prepare one row in a process of its own, and work at each word that comes; None ends it."""
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
    """Write some columns of J, by torch's own forward mode in float64: (rows, columns)."""
    warnings.simplefilter("ignore")
    task = job.task(exact=True)
    axes = torch.eye(task.dim, dtype=torch.float64, device=task.origin.device)[task.columns]
    columns = [torch.func.jvp(task.function, (task.origin,), (axis,))[1].cpu() for axis in axes]
    torch.save(torch.stack(columns, dim=1), job.reference)


def deviation(found: Inspected, task: Task, wanted: Tensor) -> float | None:
    """Return the largest deviation from the reference, relative to its largest entry; None where nothing was found."""
    if found.gram is not None and found.region is not None:
        wanted = wanted[torch.from_numpy(found.region.mask[task.region.mask])]
        wanted = wanted.T @ wanted / len(wanted)
        seen = found.gram[task.columns][:, task.columns]
    elif found.jacobian is not None:
        seen = found.jacobian[:, task.columns].cpu().double()
        wanted = wanted if found.rows is None else wanted[found.rows.cpu()]
    else:
        return None
    return float((seen - wanted).abs().max() / wanted.abs().max())


def status(name: str) -> int:
    """Read a size of this process in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def resident(device: str) -> int:
    """Return the bytes that are in use now."""
    return torch.cuda.memory_allocated() if device == "cuda" else status("VmRSS")


def peak(device: str) -> int:
    """Return the most bytes that were in use since `forget_peak`."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else status("VmHWM")


def forget_peak(device: str) -> None:
    """Measure the peak anew from here."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        with suppress(OSError):  # where that is not allowed, loading and warming up count too
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


@dataclass(frozen=True)
class Measured:
    """A row of a table; `computed` rows of J stand for all, or 0; `deviation` is None where nothing is compared."""

    seconds: float
    memory: int
    computed: int
    deviation: float | None


def hear(pipe: Connection) -> Any:
    """Wait for the answer of a row; None if its process failed, whose reason is on standard error."""
    try:
        return pipe.recv()
    except EOFError:
        return None


def measure(case: Case, device: str, rounds: int, *, quick: bool) -> tuple[str, dict[str, Measured]]:
    """Let the rows of a case take turns; return what they share, in words, and what each took."""
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
        told = {title: hear(pipe) for title, pipe in pipes.items()}
        took = {title: 0.0 for title, facts in told.items() if facts}
        for turn in range(rounds):
            for title in [title for title, seconds in took.items() if seconds < LONG]:
                pipes[title].send("go")
                if (seconds := hear(pipes[title])) is None:
                    del took[title]
                    continue
                took[title] = seconds
                print(f"{case.model}, round {turn + 1}: {title}: {seconds:.2g} s", file=sys.stderr)
        found = {}
        for title in took:
            pipes[title].send(None)
            found[title] = Measured(*hear(pipes[title]))
    threads, rows, dim, chunk = told[BASE]
    place = torch.cuda.get_device_name() if device == "cuda" else f"threads: {threads}"
    shape = f"J is {rows} x {dim}, {chunk} tangents at a time"
    return f"{shape}; torch {torch.__version__}, {place}, the fastest of {rounds}", found


def table(case: Case, shared: str, found: dict[str, Measured]) -> str:
    """Set the rows of a case as a Markdown table under a line that says what they share."""
    lines = [f"`{case.model}`, `{case.region}`: {shared}.", ""]
    lines += ["| way | seconds | memory | x images | deviation |", "| --- | ---: | ---: | ---: | ---: |"]
    for title, row in found.items():
        told = f"{title} (extrapolated from {row.computed} rows)" if row.computed else title
        off = "" if row.deviation is None else f"{row.deviation:.0e}"
        ratio = row.seconds / found[BASE].seconds
        lines.append(f"| {told} | {short(row.seconds)} | {row.memory / 1e6:.0f} MB | {short(ratio)} | {off} |")
    return "\n".join(lines)


def short(number: float) -> str:
    """Write a number with two digits that count, or as a whole one."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def chosen(names: list[str], device: str, *, quick: bool) -> Iterator[Case]:
    """List the cases that were named, or all that this device is for."""
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
        parser.error("there is no graphics card here that PyTorch can use")
    for case in chosen(options.cases, options.device, quick=options.quick):
        if case.shape and importlib.util.find_spec("benchmarks.shapes") is None:
            print(f"{case.model} is left out: benchmarks/shapes.py is not there", file=sys.stderr)
            continue
        rounds = 1 if options.quick else options.rounds
        print(table(case, *measure(case, options.device, rounds, quick=options.quick)), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
