"""The folder of a sweep: its plan, a run folder for each finished cell, and a record of each that failed.

::

    plan.json           the cells, by name, with their words
    cells/NAME/         a run folder, with the rows of the table in cell.json
    failed/NAME.json    why a cell failed
    costs/NAME.json     how long a cell took, and its peak memory
    running/*.json      what each command that works on the sweep is doing
    log.txt             what the processes print
    table.csv, costs.csv, report.html
"""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import SweepError
from zoo.sweep.cells import Cell, cell_from_json
from zoo.sweep.places import Place, place_at

CELL = "cell.json"
_FORMAT = "zoo-sweep/1"
_PLAN = "plan.json"
# A command that has not said anything for so many seconds has ended.
_SILENCE = 30.0


@dataclass(frozen=True)
class SweepFolder:
    """The folder of a sweep.

    Attributes:
        place: Where it is.
    """

    place: Place

    def __str__(self) -> str:
        return str(self.place)

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Write the plan, unless it is the one that is there.

        Args:
            plan: Plain values.

        Raises:
            SweepError: If the folder holds something else than a sweep.
            OutputError: If the operating system refuses.
        """
        # hidden names, which are not listed, are those of another command that is about to write the plan
        if not self.started and self.place.names(""):
            raise SweepError(f"{self} exists and is not the folder of a sweep: pass another --out")
        self._write(_PLAN, plan)

    @property
    def started(self) -> bool:
        """Whether there is a plan."""
        return self.place.exists(_PLAN)

    def read_plan(self) -> dict[str, Any]:
        """Read the plan.

        Returns:
            Plain values.

        Raises:
            SweepError: If there is none.
        """
        plan = self._read(_PLAN)
        if plan.get("format") != _FORMAT:
            raise SweepError(f"{self} is not the folder of a sweep that was started: run 'zoo sweep FILE' first")
        return plan

    def cells(self) -> list[tuple[str, Cell]]:
        """Return the names and the words of the cells of the plan."""
        return [
            (one["cell"], cell_from_json({key: value for key, value in one.items() if key != "cell"}))
            for one in self.read_plan()["cells"]
        ]

    def finished(self) -> set[str]:
        """Return the names of the finished cells, of this plan and of earlier ones."""
        return {name.removesuffix(".json") for name in self.place.names(self.place.cells_by)}

    def has(self, name: str) -> bool:
        """Say whether a cell is finished.

        Args:
            name: The name of the cell.
        """
        return self.place.exists(f"cells/{name}" if self.place.cells_by == "cells" else f"costs/{name}.json")

    def results(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield what `CELL` of each of some cells holds; nothing for one that is not finished.

        Args:
            names: The names of the cells.
        """
        return map(_parse, self.place.read(f"cells/{name}/{CELL}" for name in names))

    def record_cost(self, name: str, cost: Mapping[str, Any]) -> None:
        """Record what a cell took.

        Args:
            name: The name of the cell.
            cost: Plain values.
        """
        self._write(f"costs/{name}.json", cost)

    def costs(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield what each of some cells took; nothing where that is not known.

        Args:
            names: The names of the cells.
        """
        return map(_parse, self.place.read(f"costs/{name}.json" for name in names))

    def record_failure(self, name: str, cell: Cell, error: str) -> None:
        """Record why a cell failed.

        Args:
            name: The name of the cell.
            cell: The cell.
            error: What went wrong, in a line.
        """
        self._write(f"failed/{name}.json", {"error": error, "cell": str(cell)})

    def failures(self) -> dict[str, str]:
        """Return why cells failed, by their names; of this plan and of earlier ones."""
        names = sorted(self.failed())
        records = map(_parse, self.place.read(f"failed/{name}.json" for name in names))
        return {name: str(record.get("error")) for name, record in zip(names, records, strict=True)}

    def failed(self) -> set[str]:
        """Return the names of failed cells, of this plan and of earlier ones."""
        return {name.removesuffix(".json") for name in self.place.names("failed")}

    def forget_failures(self, names: Iterable[str]) -> None:
        """Delete the records of failed cells, so that they are computed again.

        Args:
            names: The names of the cells.
        """
        for name in names:
            self.place.delete(f"failed/{name}.json")

    def say(self, worker: str, state: Mapping[str, Any]) -> None:
        """Write down what a command is doing.

        Args:
            worker: The name of the command, such as its host and process.
            state: Plain values.
        """
        self._write(f"running/{worker}.json", {**state, "at": time.time()})

    def fall_silent(self, worker: str) -> None:
        """Delete what a command was doing.

        Args:
            worker: The name of the command.
        """
        self.place.delete(f"running/{worker}.json")

    def require_command(self, worker: str) -> None:
        """Require that this process sees what a command has written down, and so the same folder.

        Args:
            worker: The name of the command.

        Raises:
            SweepError: If it does not.
        """
        if not self.place.exists(f"running/{worker}.json"):
            raise SweepError(f"{platform.node()} does not see {self}: all processes need one place that they share")

    def running(self) -> Iterator[dict[str, Any]]:
        """Yield what each command is doing that works on the sweep."""
        for name in sorted(self.place.names("running")):
            state = self._read(f"running/{name}")
            if state and time.time() - state["at"] < _SILENCE:
                yield {"command": name.removesuffix(".json"), **state}

    def _write(self, name: str, values: Mapping[str, Any]) -> None:
        text = json.dumps(values, indent=1, sort_keys=True, default=str)
        self.place.write(name, text.encode())

    def _read(self, name: str) -> dict[str, Any]:
        return _parse(next(iter(self.place.read([name]))))


def open_folder(file: Path, out: str | None) -> SweepFolder:
    """Find the folder of a sweep.

    Args:
        file: The file of the sweep.
        out: The path of the folder or a URL; None is ``runs/sweep-NAME``.

    Returns:
        The folder, which need not exist.

    Raises:
        OptionError: If nothing can be written at the URL.
    """
    return SweepFolder(place_at(usual_folder(file) if out is None else out))


def usual_folder(file: Path) -> Path:
    """Name the folder of a sweep, unless another one was chosen.

    Args:
        file: The file of the sweep.

    Returns:
        ``runs/sweep-NAME``.
    """
    return Path("runs") / f"sweep-{re.sub(r'[^A-Za-z0-9._-]+', '_', file.stem)[:120]}"


def _parse(content: bytes | None) -> dict[str, Any]:
    """Read plain values; a file that is not there, or not whole, has none."""
    try:
        values = json.loads(content or b"")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
