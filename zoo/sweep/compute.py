"""The cells of a sweep carried out in a process of an engine, each written whole or not at all."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo.analysis.run import Run, run_analysis
from zoo.engines.tasks import Task
from zoo.models.model import Model
from zoo.registry.registry import Installation, load_installation
from zoo.report.table import DirectionSummary
from zoo.sweep.cells import Cell, ModelWords, Settings
from zoo.sweep.folder import CELL, SweepFolder
from zoo.sweep.plan import model_key


@dataclass(frozen=True)
class CellWork:
    """The cells of a sweep as the work of an engine.

    Attributes:
        folder: The folder of the sweep.
        settings: What all cells have in common.
        registry: Registry files beside those that are always read.
        command: The name of the command that hands the cells out.
    """

    folder: SweepFolder
    settings: Settings
    registry: tuple[Path, ...]
    command: str

    def open(self, device: str | None) -> CellComputer:
        """Prepare a process.

        Args:
            device: The device, where it is not that of the settings.

        Returns:
            What carries cells out.

        Raises:
            SweepError: If this process does not see the folder of the sweep.
        """
        self.folder.require_command(self.command)
        return CellComputer(self.folder, self.settings, load_installation(self.registry), device)


class CellComputer:
    """Carries cells out in this process; a model stays open until a cell of another one comes."""

    def __init__(
        self, folder: SweepFolder, settings: Settings, installation: Installation, device: str | None = None
    ) -> None:
        self.folder, self.settings, self.installation, self.device = folder, settings, installation, device
        self.opened: tuple[str, Model] | None = None

    def __call__(self, task: Task) -> None:
        """Carry a cell out, as `compute` does."""
        self.compute(task.name, task.content)

    def compute(self, name: str, cell: Cell) -> None:
        """Carry a cell out and write its run folder, unless that is there.

        Args:
            name: The name of the cell.
            cell: The cell.

        Raises:
            ClaimedError: If another process is at work on the cell.
            ZooError: If the analysis fails, or its result cannot be written.
        """
        if self.folder.has(name):
            return
        begun = time.perf_counter()
        _forget_peak()
        with self.folder.place.claim_cell(name):
            run = run_analysis(
                cell.request(self.settings),
                self._model(cell.model),
                self.installation,
                memory=self.settings.memory,
                pictures=True,
            )
            with self.folder.place.writing_cell(name) as partial:
                run.write(partial)
                _write_rows(partial / CELL, cell, run)
        self.folder.record_cost(name, {"seconds": round(time.perf_counter() - begun, 3), "peak_bytes": _peak()})

    def _model(self, words: ModelWords) -> Model:
        key = model_key(words)
        if self.opened is None or self.opened[0] != key:
            self.opened = None  # before the next one is opened, so that one of them takes memory
            opening = self.settings.opening(words, self.device)
            self.opened = key, opening.open(words.name, self.installation)
        return self.opened[1]


def _write_rows(file: Path, cell: Cell, run: Run) -> None:
    facts = {"model": run.model.name, "space": run.model.adapter.space.name, "samples": len(run.codes)}
    rows = [_row(index, summary) for index, summary in enumerate(run.table())]
    content = {"cell": cell.as_json(), "facts": facts, "found": len(run.directions), "rows": rows}
    file.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")


def _row(index: int, summary: DirectionSummary) -> dict[str, Any]:
    """Return plain values of a direction, by the columns of the table."""
    localities: dict[str, Any] = {}
    for key, locality in {"locality_own": summary.own, "locality_unseen": summary.unseen}.items():
        values = {} if locality is None else locality.as_json()
        low, high = values.get("interval") or (None, None)
        localities |= {key: values.get("value"), f"{key}_low": low, f"{key}_high": high}
    return {
        "index": index,
        "score": summary.score,
        "kept_norm": summary.retained,
        "step": summary.step,
        "visible": summary.reached,
        **localities,
        "repeats": None if summary.repeats is None else summary.repeats[0],
        "redundancy": summary.redundancy,
        "name": None if summary.name is None else str(summary.name),
        "strength": None if summary.name is None else summary.name.strength,
    }


# Peak memory


def _forget_peak() -> None:
    """Let the peak of this process begin at what it takes now, where the system can do that."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> int | None:
    """Return the most bytes that this process has taken, or its GPU memory where a cell is computed there."""
    if torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    with suppress(ImportError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
    return None
