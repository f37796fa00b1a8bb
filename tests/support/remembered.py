"""What a process asks once in real life, and the tests thousands of times: installed plugins, signatures of commands.

A process of the tests runs hundreds of commands one after the other. Without these memories, a tenth of its time would
be spent on reading the lists of entry points of all distributions, and on the annotations of all options.
"""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from importlib.metadata import EntryPoints
from pathlib import Path

from typer import main as typer_main

from zoo.plugins import discovery


def remember() -> None:
    """Remember entry points as long as the search path and its folders are the same, and signatures for good."""
    discovery.entry_points = _entry_points  # type: ignore[attr-defined, assignment]
    read = typer_main.get_params_from_function  # type: ignore[attr-defined]
    typer_main.get_params_from_function = functools.cache(read)  # type: ignore[attr-defined]


def _entry_points(*, group: str) -> EntryPoints:
    return _read(group, tuple((entry, _changed(entry)) for entry in sys.path))


def _changed(entry: str) -> int | None:
    """Return when a folder of the search path got its newest entry; None where there is none."""
    try:
        return Path(entry or ".").stat().st_mtime_ns
    except OSError:
        return None


@functools.lru_cache(8)
def _read(group: str, _path: object) -> EntryPoints:
    return importlib.metadata.entry_points(group=group)
