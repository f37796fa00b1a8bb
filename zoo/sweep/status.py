"""How far a sweep is, as its folder tells it; and, before it runs, what it will take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.sweep.folder import SweepFolder
from zoo.sweep.grid import file_sha256

if TYPE_CHECKING:
    from zoo.sweep.plan import Plan, PlannedCell

# Processes of a command that are told one by one.
_MOST_TOLD = 100


@dataclass(frozen=True)
class Status:
    """How far a sweep is.

    Attributes:
        cells: The number of cells.
        finished: How many of them are finished.
        failed: Why cells failed, by what they are.
        running: What each command that works on the sweep is doing.
        changed: Whether the file has changed since the sweep was started.
    """

    cells: int
    finished: int
    failed: Mapping[str, str]
    running: tuple[Mapping[str, Any], ...]
    changed: bool

    def as_json(self) -> dict[str, Any]:
        """Return plain values by the names of the attributes."""
        return {**vars(self), "missing": self.missing}

    @property
    def missing(self) -> int:
        """How many cells are neither finished nor failed."""
        return self.cells - self.finished - len(self.failed)

    def facts(self) -> dict[str, Any]:
        """Return what it tells, in words."""
        facts: dict[str, Any] = {
            "cells": f"{self.cells:,}",
            "finished": f"{self.finished:,}",
            "missing": f"{self.missing:,}",
            "failed": f"{len(self.failed):,}",
        }
        if self.failed:
            facts["why"] = [f"{cell}: {error}" for cell, error in self.failed.items()]
        if self.running:
            facts["running"] = [line for command in self.running for line in _lines(command)]
        if self.changed:
            facts["note"] = "the file has changed since: this is about the cells that it had"
        return facts


def _far(state: Mapping[str, Any]) -> str:
    failed = f", {state['failed']:,} failed" if state["failed"] else ""
    again = f", {state['again']:,} begun again" if state["again"] else ""
    left = "" if state["left"] is None else f", about {in_words(state['left'])} left"
    return f"{state['done'] + state['failed']:,} of {state['total']:,} cells{failed}{again}{left}"


def progress_line(state: Mapping[str, Any]) -> str:
    """Say in a line of a log how far a command is, and how fast its processes are.

    Args:
        state: How far it is; see `zoo.sweep.watch.Watch.state`.

    Returns:
        The line.
    """
    minutes = state["seconds"] / 60
    rates = sorted(worker["finished"] / minutes for worker in state["workers"].values())
    each = f", {rates[0]:.3g} to {rates[-1]:.3g} each" if len(rates) > 1 else ""
    speed = f"{(state['done'] + state['failed']) / minutes:.3g} cells a minute"
    return f"{_far(state)}; {speed} by {_count(len(rates), 'process', 'es')}{each}"


def _lines(command: Mapping[str, Any]) -> list[str]:
    """Describe a command, and each of its processes."""
    of_shard = f", shard {command['shard']}" if command["shard"] else ""
    lines = [f"{command['command']}{of_shard}: {_far(command)}"]
    minutes = command["seconds"] / 60
    for name, worker in list(command["workers"].items())[:_MOST_TOLD]:
        doing = "" if worker["cell"] is None else f"; {worker['cell']}, for {in_words(command['at'] - worker['since'])}"
        lines.append(f"process {name}: {worker['finished'] / minutes:.3g} cells a minute{doing}")
    return lines


def read_status(file: Path, folder: SweepFolder) -> Status:
    """Look at the folder of a sweep, without opening a model.

    Args:
        file: The file of the sweep.
        folder: Its folder.

    Returns:
        How far it is.

    Raises:
        SweepError: If the sweep has not been started.
    """
    sha256 = file_sha256(file)
    plan, cells = folder.read_plan(), dict(folder.cells())
    finished = folder.finished() & set(cells)
    failures = {name: error for name, error in folder.failures().items() if name in cells and name not in finished}
    return Status(
        cells=len(cells),
        finished=len(finished),
        failed={str(cell): failures[name] for name, cell in cells.items() if name in failures},
        running=tuple(folder.running()),
        changed=plan["file_sha256"] != sha256,
    )


@dataclass(frozen=True)
class Preview:
    """What a sweep will do.

    Attributes:
        cells: The cells of the shard.
        states: ``finished``, ``failed`` or ``missing``, for each of them.
        twice: How many cells of the file are the same as an earlier one, and left out.
        seconds: For how long it will compute, with so many processes.
        jobs: How many processes.
        measured: How many finished cells the figure is taken from; 0 where it comes from how long an image takes.
    """

    cells: tuple[PlannedCell, ...]
    states: tuple[str, ...]
    twice: int
    seconds: float
    jobs: int
    measured: int

    def rows(self) -> list[list[str]]:
        """Return the name, the words and the state of each cell."""
        return [[planned.id, str(planned.cell), state] for planned, state in zip(self.cells, self.states, strict=True)]

    def text(self) -> str:
        """Write the estimate out."""
        missing = self.states.count("missing")
        twice = f"; {self.twice:,} stand there twice and are left out" if self.twice else ""
        counted = f"{_count(len(self.cells), 'cell')}{twice}; "
        if not missing:
            return f"{counted}nothing is missing"
        source = f"as {self.measured} finished took" if self.measured else "roughly, from how long an image takes"
        time = f"about {in_words(self.seconds)} with {_count(self.jobs, 'process', 'es')}"
        return f"{counted}{missing:,} to compute: {time}, {source}"

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        cells = [
            {**planned.cell.as_json(), "cell": planned.id, "state": state}
            for planned, state in zip(self.cells, self.states, strict=True)
        ]
        return {**vars(self), "cells": cells, "states": None}


def preview(plan: Plan, chosen: tuple[PlannedCell, ...], jobs: int, folder: SweepFolder) -> Preview:
    """Say what a sweep will do, and for how long.

    Args:
        plan: The plan, whose cells have figures of their own.
        chosen: The cells of the shard.
        jobs: How many processes compute.
        folder: The folder, which may have cells that are finished.

    Returns:
        The preview; its figure is from finished cells of the same model and analyzer where there are any.
    """
    finished, failed = folder.finished(), folder.failed()
    states = tuple("finished" if one.id in finished else "failed" if one.id in failed else "missing" for one in chosen)
    known: dict[tuple[str, str], list[float]] = {}
    ended = [planned for planned in plan.cells if planned.id in finished]
    for planned, cost in zip(ended, folder.costs(one.id for one in ended), strict=True):
        if "seconds" in cost:
            known.setdefault(_kind(planned), []).append(cost["seconds"])
    missing = [planned for planned, state in zip(chosen, states, strict=True) if state == "missing"]
    seconds = [_seconds(planned, known) for planned in missing]
    measured = sum(len(known.get(kind, ())) for kind in {_kind(planned) for planned in missing})
    jobs = max(1, min(jobs, len(missing)))
    return Preview(chosen, states, plan.twice, max([sum(seconds) / jobs, *seconds], default=0.0), jobs, measured)


def _seconds(planned: PlannedCell, known: Mapping[tuple[str, str], list[float]]) -> float:
    times = known.get(_kind(planned))
    return sum(times) / len(times) if times else planned.seconds or 0.0


def _count(number: int, what: str, plural: str = "s") -> str:
    return f"{number:,} {what}{plural if number != 1 else ''}"


def _kind(planned: PlannedCell) -> tuple[str, str]:
    return planned.cell.model.name, planned.cell.analyzer.name


def in_words(seconds: float) -> str:
    """Write a length of time, in its two largest units.

    Args:
        seconds: The length.

    Returns:
        Text such as ``40 s``, ``3 min 20 s`` or ``5 h 12 min``.
    """
    whole = max(0, round(seconds))
    for unit, large, small, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            return f"{whole // unit} {large} {whole % unit // small} {name}"
    return f"{whole} s"
