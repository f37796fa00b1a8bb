"""What does a sweep cost beside its analyses? Prints a Markdown table of processor time and memory.

    python -m benchmarks.sweep [--cells N] [--ray]

The plan is that of a real grid: one model, and as many seeds as cells. Then each engine carries out as many cells that
compute nothing: a cell claims its name, writes a run folder with a row of the table, and records its cost, as every
cell does. The processor time is that of the command and of all its processes, each by itself, which a busy machine does
not change much. The memory of the command is read after a tenth of the cells and at the end. With ``--ray``, a Ray
cluster on this machine does the same.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.engines.engine import Engine
from zoo.engines.tasks import Queue, Setup, Task
from zoo.registry.registry import load_installation
from zoo.sweep.folder import CELL, SweepFolder
from zoo.sweep.grid import read_sweep
from zoo.sweep.places import place_at
from zoo.sweep.plan import Plan, make_plan
from zoo.sweep.status import read_status
from zoo.sweep.table import write_table
from zoo.sweep.watch import Watch, command_name

ROW = {"index": 0, "score": 1.0, "step": 1.0, "locality_own": 2.0, "locality_unseen": 2.0}
CELLS = 10_000


@dataclass(frozen=True)
class Nothing:
    """Cells that are written and not computed."""

    folder: SweepFolder

    def open(self, _device: str | None) -> Callable[[Task], float]:
        """Return what writes a cell, and returns the processor seconds of its process since it was prepared."""
        begun = time.process_time()

        def write(task: Task) -> float:
            content = {"facts": {"model": task.content.model.name, "samples": 1}, "rows": [ROW]}
            with self.folder.place.claim_cell(task.name), self.folder.place.writing_cell(task.name) as partial:
                (partial / CELL).write_text(json.dumps(content), encoding="utf-8")
            self.folder.record_cost(task.name, {"seconds": 0.0, "peak_bytes": 0})
            return time.process_time() - begun

        return write


@dataclass
class Measured(Watch):
    """A watch that notes the processor time of the processes, and the memory of this one."""

    seconds: dict[str, float] = field(default_factory=dict)
    memory: list[int] = field(default_factory=list)

    def finish(self, worker: str, task: Task, value: object = None) -> None:
        """Note what a cell took."""
        super().finish(worker, task, value)
        self.seconds[worker] = float(str(value))
        if self.done in {self.total // 10, self.total}:
            self.memory.append(resident())


def resident() -> int:
    """Return the bytes of memory that this process takes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])


def measure(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor seconds of this process for some work, and its result."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def carry_out(plan: Plan, folder: SweepFolder, engine: Engine) -> tuple[float, Measured]:
    """Let an engine write all cells; return the processor seconds of this process, and what was noted."""
    watch = Measured(folder, len(plan.cells))
    watch.account()
    tasks = [Task(planned.id, planned.cell) for planned in plan.cells]
    setup = Setup(
        work=Nothing(SweepFolder(folder.place.resolved())),
        threads=1,
        device="cpu",
        environment=dict(os.environ),
        working_folder=str(Path.cwd()),
    )
    seconds, _ = measure(lambda: engine.run(Queue(tasks), setup, watch, len(tasks)))
    folder.fall_silent(command_name())
    return seconds, watch


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=CELLS)
    parser.add_argument("--ray", action="store_true", help="a Ray cluster too")
    arguments = parser.parse_args()
    count = arguments.cells
    with tempfile.TemporaryDirectory() as work, chdir(work):
        file = Path("s.yaml")
        file.write_text(f"{{models: pggan, analyzers: sefa, seeds: 0-{count - 1}}}", encoding="utf-8")
        empty = resident()
        planned, plan = measure(lambda: make_plan(read_sweep(file), load_installation()))
        grown = resident() - empty
        print(f"Plan of {count:,} cells: {1000 * planned / count:.3f} ms and {grown / count / 1000:.1f} kB a cell.\n")
        print("| engine | command, ms a cell | processes, ms a cell | memory after a tenth, MB | at the end, MB |")
        print("| --- | ---: | ---: | ---: | ---: |")
        engines = {"local, 1 process": Engine(jobs=1), "local, 2 processes": Engine(jobs=2)}
        if arguments.ray:
            engines |= {"ray, 2 processes": Engine(on="ray", address="local", jobs=2)}
        for name, engine in engines.items():
            folder = SweepFolder(place_at(name.replace(" ", "-").replace(",", "")))
            stored, _ = measure(lambda folder=folder: folder.write_plan(plan.as_json()))  # type: ignore[misc]
            seconds, watch = carry_out(plan, folder, engine)
            own, others = (1000 * one / count for one in (seconds, sum(watch.seconds.values())))
            early, late = (one / 1e6 for one in watch.memory)
            print(f"| {name} | {own:.2f} | {others:.2f} | {early:.0f} | {late:.0f} |", flush=True)
        table, _ = measure(lambda: write_table(folder))
        status, _ = measure(lambda: read_status(file, folder))
        size = Path(str(folder), "plan.json").stat().st_size
        print(f"\nplan.json: {1000 * stored / count:.3f} ms and {size / count:.0f} bytes a cell.")
        print(f"Table: {1000 * table / count:.3f} ms a cell; status: {1000 * status / count:.3f} ms a cell.")


if __name__ == "__main__":
    from benchmarks import sweep  # processes find `Nothing` in a module of that name

    sweep.main()
