"""Measure what each command takes on files of the published sizes, from the file to its directions.

    python -m benchmarks.fullsize [NAME …] [--folder DIR]        time and peak memory of the commands; SeFa alone
    python -m benchmarks.fullsize [NAME …] --jacobians           lowrank and nullspace; where that is long, 16 tangents

Weights are random, in the containers and under the keys of their authors (`benchmarks.files`). Each command is a
process of its own, which loads Python, torch and the file again. SeFa alone is the analysis in a process that has
loaded the network, the fastest of five runs. Jacobians are measured in processor time, summed over threads, which
hardly depends on what else the machine does. SeFa is compared with the released code, which concatenates the weights,
scales each projection to unit length, and passes WWᵀ to numpy's solver for general matrices.
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
from zoo.plugins import load_plugins

ROUNDS = 5
TANGENTS = 16
LARGE = 512

# The whole Jacobian is extrapolated from `TANGENTS` tangents where it would take longer, and from the resolution
# `LARGE` on.
MOST_SECONDS = 1200


_MEASURE = """
import resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.returncode)
"""


def measured(command: Sequence[str], settings: dict[str, str]) -> tuple[float, float]:
    """Run a command; return the seconds that it took and the most memory that it had, in GB. Raises if it fails.

    A small process starts it: a child of this process would count this one's memory as its own.
    """
    watch = [sys.executable, "-S", "-c", _MEASURE, *command]
    done = subprocess.run(watch, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True, check=True)
    took, peak, status = done.stdout.split()
    if int(status):
        raise SystemExit(f"{' '.join(command)} failed")
    return float(took), int(peak) * 1024 / 1e9


def measure_in_process(mode: str, name: str, file: Path) -> dict[str, Any]:
    """Measure in a process of its own; return the figures that it prints."""
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
    """Factorize the same weights as the released code does."""
    parts = [part for part in model.adapter.projections() if not part.geometric]
    weight = np.concatenate([part.weight.numpy().T for part in parts], axis=1)
    weight = weight / np.linalg.norm(weight, axis=0, keepdims=True)
    np.linalg.eig(weight @ weight.T)


def sefa_alone(file: Path) -> dict[str, float]:
    """Time SeFa and the released procedure on a loaded network."""
    model = zoo.load(file, device="cpu")
    with np.errstate(invalid="ignore"):
        return {
            "sefa": fastest(lambda: analysis(model, "sefa", "all")),
            "released": fastest(lambda: released(model)),
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        }


def jacobians(file: Path) -> dict[str, Any]:
    """Time some columns of the whole image's Jacobian, and, unless that takes too long, `lowrank` and `nullspace`."""
    model = zoo.load(file, device="cpu")
    figures: dict[str, Any] = {"dim": model.adapter.space.dim, "side": model.adapter.resolution[0]}
    operator = RegionJacobian(model.adapter, model.sample(1), model.region("all"))
    chunk = default_chunk(model.adapter, model.region("all"))
    start = time.process_time()
    for axes in torch.eye(figures["dim"])[:TANGENTS].split(min(chunk, TANGENTS)):
        operator.jvp(axes)
    figures["tangents"] = time.process_time() - start
    figures["whole"] = figures["tangents"] * figures["dim"] / TANGENTS
    if figures["side"] < LARGE and figures["whole"] <= MOST_SECONDS:
        for name in ("lowrank", "nullspace"):
            start = time.process_time()
            analysis(model, name, "center")
            figures[name] = time.process_time() - start
    return figures


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
    alone = measure_in_process("--alone", name, file)
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
    figures = measure_in_process("--differentiate", name, file)
    some, whole = f"{figures['tangents']:.1f} s", f"{figures['whole']:.0f} s, extrapolated"
    times = [f"{figures[analyzer]:.0f} s" if analyzer in figures else "" for analyzer in ("lowrank", "nullspace")]
    return [name, f"{figures['side']}²", str(figures["dim"]), some, whole, *times]


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FILES)}")
    parser.add_argument("--folder", type=Path, help="where files are written and kept; or nowhere")
    for mode in ("--jacobians", "--alone", "--differentiate"):
        parser.add_argument(mode, action="store_true", help="" if mode == "--jacobians" else argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone or args.differentiate:
        print(json.dumps((sefa_alone if args.alone else jacobians)(args.folder)))
        return
    header = ["file", "images", "d", f"{TANGENTS} tangents", "whole Jacobian", "`lowrank`", "`nullspace`"]
    if not args.jacobians:
        header = ["file", "size", "`zoo add`", "`zoo info`", "`zoo sample`", "SeFa alone", "released ÷ zoo"]
    print(f"| {' | '.join(header)} |\n| {' | '.join('---' for _ in header)} |")
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in args.names or FILES:
            file = folder / f"{name}.weights"
            if not file.exists():
                FILES[name](file)
            row = derivatives(name, file) if args.jacobians else commands(name, file, folder)
            print(f"| {' | '.join(row)} |", flush=True)
            if args.folder is None:
                file.unlink()


if __name__ == "__main__":
    main()
