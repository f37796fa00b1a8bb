"""From somebody's file to its directions: what each command takes on files of the published sizes.

    python -m benchmarks.fullsize [NAME …] [--folder DIR]        time and peak memory of the commands; SeFa alone
    python -m benchmarks.fullsize [NAME …] --jacobians           lowrank and nullspace; where that is long, 16 tangents

Weights are random, in the containers and under the keys of their authors (`benchmarks.files`). Each command is a
process of its own, which loads Python, torch and the file again. SeFa alone is the analysis in a process that has the
network, the fastest of five runs; Jacobians are given in processor time, summed over threads, which hardly
depends on what else the machine does. Beside SeFa stands what the released code does: concatenate the weights, scale
each projection to unit length, and pass WWᵀ to numpy's solver for matrices without symmetry.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import zoo
from benchmarks.files import FILES
from zoo.jacobian.columns import default_chunk
from zoo.jacobian.operator import RegionJacobian
from zoo.models.model import Model
from zoo.plugins.manager import load_plugins

ROUNDS = 5
TANGENTS = 16
LARGE = 512
SOON = 1200
"""At this resolution and above, and where the whole Jacobian would take longer, it is extrapolated from `TANGENTS`."""


_MEASURE = """
import resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.returncode)
"""


def measured(command: Sequence[str], settings: dict[str, str]) -> tuple[float, float]:
    """Run a command; return the seconds that it took and the most memory that it had, in GB. Raises if it fails.

    A small process starts it: one that is started from here would be said to have had this one's memory.
    """
    watch = [sys.executable, "-S", "-c", _MEASURE, *command]
    done = subprocess.run(watch, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True, check=True)
    took, peak, status = done.stdout.split()
    if int(status):
        raise SystemExit(f"{' '.join(command)} failed")
    return float(took), int(peak) * 1024 / 1e9


def told(mode: str, name: str, file: Path) -> dict[str, Any]:
    """Measure in a process of its own; return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fullsize", name, mode, "--folder", str(file)],
        check=True,
        capture_output=True,
        text=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def fastest(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of `ROUNDS` runs."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def analysis(model: Model, analyzer: str, region: str) -> zoo.Directions:
    """Run an analysis alone, without the measures and the report that a command adds."""
    entry = load_plugins().analyzer(analyzer)
    probe = zoo.Probe(model.sample(1), model.region(region), None, torch.Generator().manual_seed(0))
    return entry.resolve()(entry.schema()()).analyze(model.adapter, probe)


def released(model: Model) -> None:
    """Do what the released code does with the same weights."""
    parts = [part for part in model.adapter.projections() if not part.geometric]
    weight = np.concatenate([part.weight.numpy().T for part in parts], axis=1)
    weight = weight / np.linalg.norm(weight, axis=0, keepdims=True)
    np.linalg.eig(weight @ weight.T)


def sefa_alone(file: Path) -> dict[str, float]:
    """Time SeFa and the released procedure on a network that is there."""
    model = zoo.load(file, device="cpu")
    with np.errstate(invalid="ignore"):
        return {
            "sefa": fastest(lambda: analysis(model, "sefa", "all")),
            "released": fastest(lambda: released(model)),
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        }


def jacobians(file: Path) -> dict[str, Any]:
    """Time `lowrank` and `nullspace` at one code, if `SOON`; else some columns of the whole picture's Jacobian."""
    model = zoo.load(file, device="cpu")
    found: dict[str, Any] = {"dim": model.adapter.space.dim, "side": model.adapter.resolution[0]}
    operator = RegionJacobian(model.adapter, model.sample(1), model.region("all"))
    chunk = default_chunk(model.adapter, model.region("all"))
    start = time.process_time()
    for axes in torch.eye(found["dim"])[:TANGENTS].split(min(chunk, TANGENTS)):
        operator.jvp(axes)
    found["tangents"] = time.process_time() - start
    found["whole"] = found["tangents"] * found["dim"] / TANGENTS
    if found["side"] < LARGE and found["whole"] <= SOON:
        for name in ("lowrank", "nullspace"):
            start = time.process_time()
            analysis(model, name, "center")
            found[name] = time.process_time() - start
    return found


def commands(name: str, file: Path, folder: Path) -> list[str]:
    """Measure the commands from the file on, and SeFa alone: a row of the table."""
    settings = {"ZOO_CONFIG": str(folder / "config"), "ZOO_CACHE": str(folder / "cache"), "ZOO_JACOBIANS": "0"}
    family = max((known for known in load_plugins().adapters if name.startswith(known)), key=len)
    model = f"{family}.measured"
    zoo_ = [sys.executable, "-m", "zoo", "--quiet"]
    steps = {
        "add": [*zoo_, "add", str(file), "--name", model, "--force"],
        "info": [*zoo_, "info", model],
        "sample": [*zoo_, "sample", model, "--samples", "1", "--out", str(folder / "samples"), "--force"],
    }
    cells = [f"{took:.1f} s, {peak:.2f} GB" for took, peak in (measured(step, settings) for step in steps.values())]
    alone = told("--alone", name, file)
    ratio = alone["released"] / alone["sefa"]
    return [
        name,
        f"{file.stat().st_size / 1e6:,.0f} MB",
        *cells,
        f"{alone['sefa']:.3f} s, {alone['peak']:.2f} GB",
        f"{ratio:.1f}",
    ]


def derivatives(name: str, file: Path) -> list[str]:
    """Measure the analyses of one code: a row of the other table."""
    found = told("--differentiate", name, file)
    some, whole = f"{found['tangents']:.1f} s", f"{found['whole']:.0f} s, extrapolated"
    times = [f"{found[analyzer]:.0f} s" if analyzer in found else "" for analyzer in ("lowrank", "nullspace")]
    return [name, f"{found['side']}²", str(found["dim"]), some, whole, *times]


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FILES)}")
    parser.add_argument("--folder", type=Path, help="where files are written and kept; or nowhere")
    for mode in ("--jacobians", "--alone", "--differentiate"):
        parser.add_argument(mode, action="store_true", help="" if mode == "--jacobians" else argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.alone or asked.differentiate:
        print(json.dumps((sefa_alone if asked.alone else jacobians)(asked.folder)))
        return
    heads = ["file", "images", "d", f"{TANGENTS} tangents", "whole Jacobian", "`lowrank`", "`nullspace`"]
    if not asked.jacobians:
        heads = ["file", "size", "`zoo add`", "`zoo info`", "`zoo sample`", "SeFa alone", "released ÷ zoo"]
    print(f"| {' | '.join(heads)} |\n| {' | '.join('---' for _ in heads)} |")
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in asked.names or FILES:
            file = folder / f"{name}.weights"
            if not file.exists():
                FILES[name](file)
            row = derivatives(name, file) if asked.jacobians else commands(name, file, folder)
            print(f"| {' | '.join(row)} |", flush=True)
            if asked.folder is None:
                file.unlink()


if __name__ == "__main__":
    main()
