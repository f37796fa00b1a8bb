"""Measure what each command takes on files of the published sizes, from the file to its directions.

    python -m benchmarks.fullsize [NAME …] [--folder DIR]        time and peak memory of the commands; SeFa alone
    python -m benchmarks.fullsize [NAME …] --jacobians           lowrank and nullspace; where that is long, 16 tangents
    python -m benchmarks.fullsize NAME --jacobians --space z --tangents 4 --at-a-time 2        of the space z, from four
    python -m benchmarks.fullsize NAME --jacobians --search 10   lowrank by a search for ten directions, and no columns

Weights are random, in the containers and under the keys of their authors (`benchmarks.files`). Each command is a
process of its own, which loads Python, torch and the file again. SeFa alone is the analysis in a process that has
loaded the network, the fastest of five runs. All times are processor time, summed over threads: with
OMP_NUM_THREADS=1 that is what an idle machine takes, whatever else this one does. SeFa is compared with the released
code, which concatenates the weights, scales each projection to unit length, and passes WWᵀ to numpy's solver for
general matrices.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import zoo
from benchmarks.files import FILES
from benchmarks.peak_memory import peak
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
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, done.returncode)
"""


def measured(command: Sequence[str], settings: dict[str, str]) -> tuple[float, float]:
    """Run a command; return its processor time in seconds and its most memory in GB. Raises if it fails.

    A small process starts it: a child of this process would count this one's memory as its own.
    """
    watch = [sys.executable, "-S", "-c", _MEASURE, *command]
    done = subprocess.run(watch, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True, check=True)
    took, peak, status = done.stdout.split()
    if int(status):
        raise SystemExit(f"{' '.join(command)} failed")
    return float(took), int(peak) * 1024 / 1e9


def measure_in_process(mode: str, name: str, file: Path, options: Sequence[str] = ()) -> dict[str, Any]:
    """Measure in a process of its own; return the figures that it prints."""
    command = [sys.executable, "-m", "benchmarks.fullsize", name, mode, "--folder", str(file), *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def fastest(work: Callable[[], object]) -> float:
    """Return the processor time of the fastest of `ROUNDS` runs, in seconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def analysis(model: Model, analyzer: str, region: str, **options: Any) -> zoo.Directions:
    """Run an analysis alone, without the measures and the report that a command adds."""
    entry = load_plugins().analyzer(analyzer)
    probe = zoo.Probe(model.sample(1), model.region(region), None, torch.Generator().manual_seed(0))
    return entry.resolve()(entry.schema()(**options)).analyze(model.adapter, probe)


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
            "peak": peak(),
        }


def processor_time(work: Callable[[], object]) -> float:
    """Return the processor time of one run, in seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start


def jacobians(file: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Time some columns of the whole image's Jacobian, and, unless that takes too long, `lowrank` and `nullspace`."""
    model = zoo.load(file, device="cpu", space=args.space)
    dim = model.adapter.space.dim
    figures: dict[str, Any] = {"dim": dim, "side": model.adapter.resolution[0], "tangents": 0.0, "whole": 0.0}
    if args.search:
        figures["lowrank"] = processor_time(lambda: analysis(model, "lowrank", "center", k=args.search))
        return {**figures, "peak": peak()}
    chunk = args.at_a_time or default_chunk(model.adapter, model.region("all"))
    operator = RegionJacobian(model.adapter, model.sample(1), model.region("all"))
    axes = torch.eye(dim)[: args.tangents].split(min(chunk, args.tangents))
    figures["tangents"] = processor_time(lambda: [operator.jvp(some) for some in axes])
    figures["whole"] = figures["tangents"] * dim / args.tangents
    if figures["side"] < LARGE and figures["whole"] <= args.most:
        chosen = {"chunk": chunk} if args.at_a_time else {}
        for name in ("lowrank", "nullspace"):
            figures[name] = processor_time(partial(analysis, model, name, "center", **chosen))
    return {**figures, "peak": peak()}


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


def derivatives(name: str, file: Path, args: argparse.Namespace) -> list[str]:
    """Measure the analyses of one code: a row of the other table."""
    options = [f"--tangents={args.tangents}", f"--most={args.most}", f"--search={args.search}"]
    options += [f"--at-a-time={args.at_a_time}", *([f"--space={args.space}"] if args.space else [])]
    figures = measure_in_process("--differentiate", name, file, options)
    times = [f"{figures[analyzer]:.0f} s" if analyzer in figures else "" for analyzer in ("lowrank", "nullspace")]
    if args.search:
        columns, times[0] = ["", ""], f"{times[0]}, `k={args.search}`"
    else:
        few = f", {args.tangents} tangents" if args.tangents != TANGENTS else ""
        columns = [f"{figures['tangents']:.1f} s{few}", f"{figures['whole']:.0f} s, extrapolated"]
    code = f"{figures['dim']}{f' ({args.space})' if args.space else ''}"
    return [name, f"{figures['side']}²", code, *columns, *times, f"{figures['peak']:.1f} GB"]


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FILES)}")
    parser.add_argument("--folder", type=Path, help="where files are written and kept; or nowhere")
    parser.add_argument("--space", help="the space of the codes; or that of the family")
    parser.add_argument("--tangents", type=int, default=TANGENTS, help="how many columns are computed")
    parser.add_argument("--at-a-time", type=int, default=0, help="how many at a time; or as many as zoo chooses")
    parser.add_argument("--most", type=float, default=MOST_SECONDS, help="seconds of a Jacobian that is computed whole")
    parser.add_argument("--search", type=int, default=0, help="how many directions lowrank searches for")
    for mode in ("--jacobians", "--alone", "--differentiate"):
        parser.add_argument(mode, action="store_true", help="" if mode == "--jacobians" else argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone or args.differentiate:
        print(json.dumps(sefa_alone(args.folder) if args.alone else jacobians(args.folder, args)))
        return
    header = ["file", "images", "d", f"{TANGENTS} tangents", "whole Jacobian", "`lowrank`", "`nullspace`", "memory"]
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
            row = derivatives(name, file, args) if args.jacobians else commands(name, file, folder)
            print(f"| {' | '.join(row)} |", flush=True)
            if args.folder is None:
                file.unlink()


if __name__ == "__main__":
    main()
