"""What does an analysis cost from the shell to the finished report? Prints a Markdown table of processor seconds.

    python -m benchmarks.process_time [--rounds N] [--imports]

Each command is a process with one thread and an empty cache. The commands take turns with ``python -c "import torch"``,
and the medians of their user and system time are compared: the target is 1.6 times the import and 2 seconds. With
``--imports``, the modules that the first command imports beyond torch's own follow, with what each of them takes.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

IMPORT = (sys.executable, "-c", "import torch")
ANALYZE = (sys.executable, "-m", "zoo", "--quiet", "analyze", "biggan", "--analyzer", "lowrank")
COMMANDS = {
    "python -c 'import torch'": IMPORT,
    "zoo analyze biggan --analyzer lowrank": ANALYZE,
    "… --region eyes --samples 32 -o k=4": (*ANALYZE, "--region", "eyes", "--samples", "32", "-o", "k=4"),
}
FACTOR, SECONDS = 1.6, 2.0  # the target: FACTOR · (import torch) + SECONDS
SMALLEST = 0.03  # seconds below which an import is not listed


def main() -> None:
    """Measure all commands in turn, and print their medians beside the target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--imports", action="store_true", help="list what is imported beside torch")
    options = parser.parse_args()
    seconds = defaultdict(list)
    for _ in range(options.rounds):
        for name, command in COMMANDS.items():
            seconds[name].append(processor_seconds(command))
            print(f"{name}: {seconds[name][-1]:.2f} s", file=sys.stderr)
    base = median(seconds["python -c 'import torch'"])
    target = FACTOR * base + SECONDS
    print(
        f"Target: {FACTOR} x {base:.2f} s + {SECONDS:g} s = {target:.2f} s; medians of {options.rounds}, one thread.\n"
    )
    print("| command | processor seconds | ÷ import torch | ÷ target |\n| --- | ---: | ---: | ---: |")
    for name, values in seconds.items():
        print(f"| `{name}` | {median(values):.2f} | {median(values) / base:.2f} | {median(values) / target:.2f} |")
    if options.imports:
        print("\n| module | seconds, with what it imports |\n| --- | ---: |")
        for module, took in imports(ANALYZE):
            print(f"| `{module}` | {took:.2f} |")


def processor_seconds(command: Sequence[str]) -> float:
    """Run a command in an empty folder with an empty cache.

    Args:
        command: The program and its arguments.

    Returns:
        Its user and system time in seconds.

    Raises:
        subprocess.CalledProcessError: The command failed.
    """
    before = _children()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command, cwd=folder, env=_environment(folder), check=True, capture_output=True)
    return _children() - before


def imports(command: Sequence[str]) -> list[tuple[str, float]]:
    """List the imports of a command that are not part of an import of torch.

    Args:
        command: Python, followed by its arguments.

    Returns:
        Outermost modules and the seconds of their import, that of what they import included; the longest first.
    """
    with tempfile.TemporaryDirectory() as folder:
        timed = [command[0], "-X", "importtime", *command[1:]]
        done = subprocess.run(timed, cwd=folder, env=_environment(folder), check=True, capture_output=True, text=True)
    return outermost(done.stderr)


def outermost(log: str) -> list[tuple[str, float]]:
    """Read the log of ``python -X importtime``, in which a module follows those that it imports.

    Args:
        log: The log.

    Returns:
        Modules that take at least `SMALLEST` seconds, without those inside of a listed one, except that packages of
        zoo are looked into; the longest first.
    """
    pattern = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)")
    lines = [found for line in log.splitlines() if (found := pattern.match(line))]
    listed, hidden_below = [], None
    for line in reversed(lines):  # a module precedes those that it imports in this order
        depth, name, seconds = len(line[3]) // 2, line[4], int(line[2]) / 1e6
        if hidden_below is not None and depth > hidden_below:
            continue
        own = name.startswith("zoo")
        hidden_below = None if own else depth
        if not own and name != "torch" and seconds >= SMALLEST:
            listed.append((name, seconds))
    return sorted(listed, key=lambda one: -one[1])


def _environment(folder: str) -> dict[str, str]:
    settings = {"OMP_NUM_THREADS": "1", "ZOO_CACHE": str(Path(folder) / "cache")}
    return os.environ | settings | {"ZOO_CONFIG": str(Path(folder) / "config")}


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
