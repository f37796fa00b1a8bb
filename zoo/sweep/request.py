"""A sweep in the words of the command line, carried out: what is missing is computed, and the table written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.progress import Progress, silent
from zoo.engines.engine import USUAL_ENGINE, Engine
from zoo.engines.tasks import Queue, Setup, Task
from zoo.errors import OptionError, SweepError
from zoo.registry.registry import Installation
from zoo.sweep.compute import CellWork
from zoo.sweep.folder import SweepFolder
from zoo.sweep.grid import read_sweep
from zoo.sweep.plan import Plan, PlannedCell, make_plan, model_key
from zoo.sweep.status import Preview, preview
from zoo.sweep.table import write_table
from zoo.sweep.watch import Watch, command_name

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """A sweep in the words of the command line.

    Attributes:
        file: The file of the sweep.
        folder: The folder to write.
        shard: Which part of the cells to compute, such as ``2/8``; None is all.
        engine: What computes them.
        retry_failed: Compute cells again that have failed.
    """

    file: Path
    folder: SweepFolder
    shard: str | None = None
    engine: Engine = USUAL_ENGINE
    retry_failed: bool = False

    def plan(self, installation: Installation, *, timed: bool, progress: Progress = silent, tell: Tell = print) -> Plan:
        """Read the file and check every cell.

        Args:
            installation: The plugins and the registry.
            timed: Estimate how long each cell takes.
            progress: Called while weights are fetched and networks are built.
            tell: Called with a line for each wrong cell.

        Returns:
            The plan.

        Raises:
            SweepError: If the file or a cell is wrong.
            OptionError: If the shard or the engine is.
        """
        self._parse_shard()
        self.engine.check()
        return make_plan(read_sweep(self.file), installation, timed=timed, progress=progress, tell=tell)

    def chosen(self, plan: Plan) -> tuple[PlannedCell, ...]:
        """Return the cells of the shard.

        Args:
            plan: The plan.
        """
        return plan.shard(*self._parse_shard())

    def jobs_of(self, plan: Plan) -> int:
        """Return how many processes compute.

        Args:
            plan: The plan.
        """
        return self.engine.jobs_for(plan.settings.threads, plan.settings.device)

    def preview(self, installation: Installation, progress: Progress = silent, tell: Tell = print) -> Preview:
        """Check every cell, and say what there is to do and for how long.

        Args:
            installation: The plugins and the registry.
            progress: Called while weights are fetched and networks are built.
            tell: Called with a line for each cell that is wrong.

        Returns:
            The cells of the shard, and the estimate.

        Raises:
            SweepError: If the file or a cell is wrong.
        """
        plan = self.plan(installation, timed=True, progress=progress, tell=tell)
        return preview(plan, self.chosen(plan), self.jobs_of(plan), self.folder)

    def run(
        self, installation: Installation, progress: Progress = silent, tell: Tell = print, *, logs: bool = False
    ) -> int:
        """Compute the cells that are missing, and write the table.

        Args:
            installation: The plugins and the registry.
            progress: Called as cells are finished.
            tell: Called with a line for each cell that is wrong, or fails.
            logs: Tell every half minute how far the work is.

        Returns:
            How many of the cells have failed.

        Raises:
            SweepError: If the file or a cell is wrong.
            OutputError: If the operating system refuses.
        """
        plan = self.plan(installation, timed=False, progress=progress, tell=tell)
        folder = self.folder
        folder.write_plan(plan.as_json())
        folder.place.tidy()
        missing = self._missing(plan, folder)
        watch = Watch(folder, len(missing), self.shard, progress, tell, logs)
        try:
            if missing:
                watch.account()
                tasks = [Task(planned.id, planned.cell, model_key(planned.cell.model)) for planned in missing]
                self.engine.run(Queue(tasks), _setup(plan, folder, installation), watch, len(tasks))
        except KeyboardInterrupt:
            tell(f"{watch.done:,} of {len(missing):,} cells were finished, and the same command computes the rest")
            raise
        finally:
            folder.place.tidy()
            folder.fall_silent(command_name())
            # Of many shards, each would read the cells of all: the last one does.
            if self.shard is None or {one.id for one in plan.cells} <= folder.finished() | folder.failed():
                write_table(folder)
        return len(folder.failed() & {planned.id for planned in self.chosen(plan)})

    def require_all(self, failed: int) -> None:
        """Refuse to end well where cells have failed.

        Args:
            failed: How many have.

        Raises:
            SweepError: If any has.
        """
        if failed:
            raise SweepError(
                f"{failed:,} cell{'s' if failed > 1 else ''} failed: 'zoo sweep {self.file} --status' says why, and "
                "--retry-failed computes them again"
            )

    def _missing(self, plan: Plan, folder: SweepFolder) -> list[PlannedCell]:
        """Return the cells to compute: neither finished, nor failed unless these are to be tried again."""
        chosen = self.chosen(plan)
        finished = folder.finished()
        if self.retry_failed:
            folder.forget_failures(planned.id for planned in chosen)
        folder.forget_failures(finished & folder.failed())
        ended = finished | folder.failed()
        return [planned for planned in chosen if planned.id not in ended]

    def _parse_shard(self) -> tuple[int, int]:
        if self.shard is None:
            return 1, 1
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", self.shard)
        index, count = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= index <= count:
            raise OptionError(f"--shard {self.shard}: shards are counted from 1, so that of four the first is 1/4")
        return index, count


def _setup(plan: Plan, folder: SweepFolder, installation: Installation) -> Setup:
    registry = tuple(path.resolve() for path in installation.extra)
    return Setup(
        work=CellWork(SweepFolder(folder.place.resolved()), plan.settings, registry, command_name()),
        threads=plan.settings.threads,
        device=plan.settings.device,
        environment=dict(os.environ),
        working_folder=os.getcwd(),  # noqa: PTH109
        log=folder.place.log,
    )
