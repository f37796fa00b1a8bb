"""Count how often modules hand over to each other in one analysis: `python benchmarks/walk.py [zoo's arguments …]`.

A profiler hook sees every call of a Python function. Two consecutive calls in different modules of zoo, or of the
built-in plugins, are one change of module; calls of other libraries in between do not count. docs/architecture.md
quotes the figures.
"""

from __future__ import annotations

import inspect
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
# The run that the page quotes. It reads no cached Jacobians, so that every run does the same.
USUAL = ("analyze", "biggan", "-a", "lowrank", "-r", "mouth", "--no-keep", "--device", "cpu")


# The modules of zoo.nn before there were packages.
FORMER_NN = {"zoo.blocks", "zoo.growing", "zoo.mapped", "zoo.residual", "zoo.window"}


class Calls:
    """The modules of zoo and of its plugins whose functions were called, in the order of the calls."""

    def __init__(self) -> None:
        self.modules: list[str] = []

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Record the module of a call; this is the hook that `sys.setprofile` takes.

        Bodies of modules and classes run once, when they are imported, and comprehensions belong to their function.

        Args:
            frame: The frame that was entered or left.
            event: What happened.
        """
        module = frame.f_globals.get("__name__", "")
        code = frame.f_code
        is_function = bool(code.co_flags & inspect.CO_OPTIMIZED) and not code.co_name.startswith("<")
        if event == "call" and is_function and module.partition(".")[0] in OURS:
            self.modules.append(module)


def changes(names: Sequence[str]) -> Counter[tuple[str, str]]:
    """Count the pairs of different names that follow each other.

    Args:
        names: The names, in the order of the calls.

    Returns:
        How often each pair occurs.
    """
    return Counter((before, after) for before, after in pairwise(names) if before != after)


def package(module: str) -> str:
    """Name the package of a module.

    Args:
        module: The full name of the module.

    Returns:
        Such as ``zoo.jacobian``, or ``zoo`` for a module at the top level.
    """
    return ".".join(module.split(".")[:2]) if module.count(".") > 1 else module.partition(".")[0]


def without_layers(modules: Sequence[str]) -> list[str]:
    """Take the modules of zoo.nn for one: how a network's layers call each other is a matter of the network.

    Args:
        modules: The modules, in the order of the calls.

    Returns:
        The same, with ``zoo.nn`` in the place of each of its modules.
    """
    return ["zoo.nn" if package(module) == "zoo.nn" or module in FORMER_NN else module for module in modules]


def main(arguments: Sequence[str]) -> None:
    """Run zoo under the hook, and print the counts.

    Args:
        arguments: The arguments of the command, without ``--out``.
    """
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
    outside = changes(without_layers(calls.modules)).total()
    print(f"{modules.total():,} changes of module, {outside:,} outside zoo.nn, {packages.total():,} changes of package")
    for (before, after), count in modules.most_common(12):
        print(f"{count:6,}  {before} -> {after}")


if __name__ == "__main__":
    main(sys.argv[1:] or USUAL)
