"""Count how often modules hand over to each other in one analysis: `python benchmarks/walk.py [zoo's arguments …]`.

A profiler hook sees every call of a Python function. Two calls in a row that are in different modules of zoo, or of the
built-in plugins, are one change of module; calls into other libraries in between do not count. The page Architecture
quotes the figures.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

from zoo.cli import run

OURS = ("zoo", "zoo_adapters", "zoo_analyzers", "zoo_scorers")
USUAL = ("analyze", "biggan", "-a", "lowrank", "-r", "mouth", "--no-keep", "--device", "cpu")
BODIES = {"<module>", "<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>", "<lambda>"}
"""Frames that are no calls of a named function."""


class Calls:
    """The modules of zoo and of its plugins whose functions were called, in the order of the calls."""

    def __init__(self) -> None:
        self.modules: list[str] = []

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Note the module of a call; this is the hook that `sys.setprofile` takes."""
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.partition(".")[0] in OURS and frame.f_code.co_name not in BODIES:
            self.modules.append(module)


def changes(names: Sequence[str]) -> Counter[tuple[str, str]]:
    """Count the pairs of different names that follow each other."""
    return Counter((before, after) for before, after in pairwise(names) if before != after)


def package(module: str) -> str:
    """Name the package that a module stands in: ``zoo.jacobian``, or ``zoo`` for a module of the top level."""
    return ".".join(module.split(".")[:2]) if module.count(".") > 1 else module.partition(".")[0]


def main(arguments: Sequence[str]) -> None:
    """Run zoo under the hook and print the counts."""
    calls = Calls()
    with tempfile.TemporaryDirectory() as folder:
        words = [*arguments, "--out", str(Path(folder) / "run")]
        sys.setprofile(calls)
        try:
            code = run(words)
        finally:
            sys.setprofile(None)
    if code:
        raise SystemExit(code)
    modules = changes(calls.modules)
    packages = changes([package(module) for module in calls.modules])
    print(f"\n{len(calls.modules):,} calls in {len(set(calls.modules))} modules")
    print(f"{modules.total():,} changes of module, {packages.total():,} changes of package")
    for (before, after), count in modules.most_common(12):
        print(f"{count:6,}  {before} -> {after}")


if __name__ == "__main__":
    main(sys.argv[1:] or USUAL)
