"""What costs what? Prints the table of the page on performance: seconds of processor time, the lesser of two runs.

    python benchmarks/costs.py [MODEL …]

Processor time is summed over threads and hardly depends on what else the machine does. Analyses are timed alone,
without the measures and the report that a command adds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch

import zoo
from zoo.editing.locality import measure_locality
from zoo.editing.render import render
from zoo.jacobian.columns import jacobian
from zoo.models.model import Model
from zoo.plugins import load_plugins

ROUNDS = 2
MODELS = ("dcgan.celeba64", "dcgan.omniart-eyes128")


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of the faster of two runs."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def jobs(model: Model) -> dict[str, Callable[[], object]]:
    """List what is timed, by the row's title."""
    codes, whole, center = model.sample(16), model.region("all"), model.region("center")
    plugins = load_plugins()

    def find(name: str, count: int) -> zoo.Directions:
        entry = plugins.analyzer(name)
        probe = zoo.Probe(codes[:count], center, None, torch.Generator().manual_seed(0))
        return entry.resolve()(entry.schema()()).analyze(model.adapter, probe)

    vectors = find("sefa", 1).vectors[:5]
    return {
        "one picture, of a batch of 16": lambda: render(model, codes),
        "Jacobian of the whole picture at one code": lambda: jacobian(model.adapter, codes[0], whole),
        "locality of five directions at one code": lambda: measure_locality(model.adapter, codes[0], vectors, center),
        "`sefa`": lambda: find("sefa", 1),
        "`lowrank`, `center`, one code": lambda: find("lowrank", 1),
        "`nullspace`, `center`, one code": lambda: find("nullspace", 1),
        "`nullspace`, `center`, 8 codes": lambda: find("nullspace", 8),
    }


def main() -> None:
    """Time every job on every model and print a Markdown table."""
    names = sys.argv[1:] or list(MODELS)
    columns = []
    for name in names:
        model = zoo.load(name)
        print(f"timing {name} …", file=sys.stderr)
        columns.append({title: seconds(work) for title, work in jobs(model).items()})
        columns[-1]["one picture, of a batch of 16"] /= 16
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {model.adapter.device}\n")
    print(f"| seconds | {' | '.join(f'`{name}`' for name in names)} |")
    print(f"| --- |{' ---: |' * len(names)}")
    for title in columns[0]:
        print(f"| {title} | {' | '.join(f'{column[title]:.2g}' for column in columns)} |")


if __name__ == "__main__":
    main()
