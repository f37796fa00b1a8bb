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
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo._utils.files import atomic_file
from zoo._utils.writing.workspaces import remove_abandoned
from zoo.errors import SweepError
from zoo.sweep.cells import Cell, cell_from_json

CELL = "cell.json"
_FORMAT = "zoo-sweep/1"
# A command that has not said anything for so many seconds has ended.
_SILENCE = 30.0


@dataclass(frozen=True)
class SweepFolder:
    """The folder of a sweep.

    Attributes:
        path: Its path.
    """

    path: Path

    @property
    def plan(self) -> Path:
        """The file of the plan."""
        return self.path / "plan.json"

    @property
    def log(self) -> Path:
        """The file of what processes print."""
        return self.path / "log.txt"

    def cell(self, name: str) -> Path:
        """Return the run folder of a cell, which need not exist.

        Args:
            name: The name of the cell.
        """
        return self.path / "cells" / name

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Write the plan, unless it is the one that is there.

        Args:
            plan: Plain values.

        Raises:
            SweepError: If the folder holds something else than a sweep.
            OutputError: If the operating system refuses.
        """
        # hidden names are those of another command that is about to write the plan
        if not self.plan.exists() and self.path.exists() and (not self.path.is_dir() or _names(self.path)):
            raise SweepError(f"{self.path} exists and is not the folder of a sweep: pass another --out")
        _write(self.plan, plan)
        (self.path / "cells").mkdir(exist_ok=True)

    def read_plan(self) -> dict[str, Any]:
        """Read the plan.

        Returns:
            Plain values.

        Raises:
            SweepError: If there is none.
        """
        plan = _read(self.plan)
        if plan.get("format") != _FORMAT:
            raise SweepError(f"{self.path} is not the folder of a sweep that was started: run 'zoo sweep FILE' first")
        return plan

    def cells(self) -> list[tuple[str, Cell]]:
        """Return the names and the words of the cells of the plan."""
        return [
            (one["cell"], cell_from_json({key: value for key, value in one.items() if key != "cell"}))
            for one in self.read_plan()["cells"]
        ]

    def finished(self) -> set[str]:
        """Return the names of the finished cells, of this plan and of earlier ones."""
        return _names(self.path / "cells")

    def has(self, name: str) -> bool:
        """Say whether a cell is finished.

        Args:
            name: The name of the cell.
        """
        return self.cell(name).is_dir()

    def result(self, name: str) -> dict[str, Any]:
        """Return what `CELL` of a finished cell holds.

        Args:
            name: The name of the cell.
        """
        return _read(self.cell(name) / CELL)

    def record_cost(self, name: str, cost: Mapping[str, Any]) -> None:
        """Record what a cell took.

        Args:
            name: The name of the cell.
            cost: Plain values.
        """
        _write(self.path / "costs" / f"{name}.json", cost)

    def cost(self, name: str) -> dict[str, Any]:
        """Return what a cell took; nothing where that is not known.

        Args:
            name: The name of the cell.
        """
        return _read(self.path / "costs" / f"{name}.json")

    def record_failure(self, name: str, cell: Cell, error: str) -> None:
        """Record why a cell failed.

        Args:
            name: The name of the cell.
            cell: The cell.
            error: What went wrong, in a line.
        """
        _write(self.path / "failed" / f"{name}.json", {"error": error, "cell": str(cell)})

    def failures(self) -> dict[str, str]:
        """Return why cells failed, by their names; of this plan and of earlier ones."""
        return {name: str(_read(self.path / "failed" / f"{name}.json").get("error")) for name in self.failed()}

    def failed(self) -> set[str]:
        """Return the names of failed cells, of this plan and of earlier ones."""
        return {name.removesuffix(".json") for name in _names(self.path / "failed")}

    def forget_failures(self, names: Iterable[str]) -> None:
        """Delete the records of failed cells, so that they are computed again.

        Args:
            names: The names of the cells.
        """
        for name in names:
            (self.path / "failed" / f"{name}.json").unlink(missing_ok=True)

    def tidy(self) -> None:
        """Delete what killed processes began to write."""
        for folder in ("cells", "costs", "failed", "running"):
            with suppress(OSError):
                remove_abandoned(self.path / folder)

    def say(self, worker: str, state: Mapping[str, Any]) -> None:
        """Write down what a command is doing.

        Args:
            worker: The name of the command, such as its host and process.
            state: Plain values.
        """
        _write(self.path / "running" / f"{worker}.json", {**state, "at": time.time()})

    def fall_silent(self, worker: str) -> None:
        """Delete what a command was doing.

        Args:
            worker: The name of the command.
        """
        (self.path / "running" / f"{worker}.json").unlink(missing_ok=True)

    def running(self) -> Iterator[dict[str, Any]]:
        """Yield what each command is doing that works on the sweep."""
        for name in sorted(_names(self.path / "running")):
            state = _read(self.path / "running" / name)
            if state and time.time() - state["at"] < _SILENCE:
                yield {"command": name.removesuffix(".json"), **state}


def usual_folder(file: Path) -> Path:
    """Name the folder of a sweep, unless another one was chosen.

    Args:
        file: The file of the sweep.

    Returns:
        ``runs/sweep-NAME``.
    """
    return Path("runs") / f"sweep-{re.sub(r'[^A-Za-z0-9._-]+', '_', file.stem)[:120]}"


def _names(folder: Path) -> set[str]:
    """List a folder, without what is being written."""
    try:
        return {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except FileNotFoundError:
        return set()


def _write(path: Path, values: Mapping[str, Any]) -> None:
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(values, indent=1, sort_keys=True, default=str), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    """Read a file of plain values; one that is not there, or not whole, has none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
