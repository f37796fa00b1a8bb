"""The page of a sweep: its directions in one table that sorts, filters and ranks, each row with its report."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zoo.errors import SweepError
from zoo.report.report import render_page
from zoo.report.table import NOTHING, format_number
from zoo.sweep.folder import SweepFolder, usual_folder
from zoo.sweep.status import Status, read_status
from zoo.sweep.table import COLUMNS, rows_of, write_table

# Of more directions, the page shows the first; the table has all.
_MOST_ROWS = 20_000
_TITLES = {
    "index": "direction",
    "run": "run",
    "model": "model",
    "model_options": "opened",
    "analyzer": "analyzer",
    "options": "options",
    "region": "region",
    "layers": "layers",
    "label": "label",
    "seed": "seed",
    "samples": "samples",
    "truncation": "truncation",
    "score": "score",
    "kept_norm": "kept norm",
    "step": "step",
    "locality_own": "locality, own",
    "locality_unseen": "locality, unseen",
    "redundancy": "redundancy",
    "repeats": "repeats",
    "name": "suggested name",
}
# What was asked: where it is the same in all rows, it stands above the table.
_ASKED = ("model", "model_options", "analyzer", "options", "region", "layers", "label", "seed", "samples", "truncation")
# By these, only the first of each can be shown.
_GROUPS = ("run", "model", "analyzer", "region", "layers", "label", "seed")


def write_page(file: Path, folder: SweepFolder) -> str:
    """Write the tables and `report.html` of what is finished.

    Args:
        file: The file of the sweep.
        folder: Its folder.

    Returns:
        Where the page is.

    Raises:
        SweepError: If the sweep has not been started, or nothing is finished.
        OutputError: If the operating system refuses.
    """
    status = read_status(file, folder)
    write_table(folder)
    rows = list(rows_of(folder))
    if not rows:
        raise SweepError(f"{folder}: no cell has a direction yet: 'zoo sweep {file}' computes them")
    folder.place.write("report.html", _render(file, folder, rows, status).encode(errors="replace"))
    return f"{folder}/report.html"


def _render(file: Path, folder: SweepFolder, rows: list[dict[str, Any]], status: Status) -> str:
    out = [] if str(folder) == str(usual_folder(file)) else ["--out", str(folder)]
    return render_directions(
        rows,
        title=file.stem,
        kind="a sweep",
        summary=_summary(status, len(rows)),
        command=shlex.join(["zoo", "sweep", str(file), *out]),
        failed=status.failed,
    )


def render_directions(
    rows: list[dict[str, Any]],
    *,
    title: str,
    kind: str,
    summary: str,
    command: str,
    failed: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Write the page of a table of directions, which sorts, filters and ranks them.

    Args:
        rows: The directions, by `zoo.sweep.table.COLUMNS`, with the address of the report of each.
        title: What they are of.
        kind: What the page is, such as ``a sweep``.
        summary: A sentence about all of them.
        command: The command that makes the same.
        failed: Why analyses failed, by what they are.

    Returns:
        The page.
    """
    shown = rows[:_MOST_ROWS]
    values = {key: {row.get(key) for row in shown} for key in _TITLES}
    same = {key: str(*values[key]) for key in _ASKED if len(values[key]) == 1 and values[key] != {None}}
    columns: list[dict[str, Any]] = [
        {"key": key, "title": name, "number": COLUMNS.get(key) in {int, float}}
        for key, name in _TITLES.items()
        if key not in same and values[key] != {None}
    ]
    cells = [
        {
            "report": f"{row['report']}#direction-{row['index']}",
            "cells": [_cell(row.get(one["key"])) for one in columns],
        }
        for row in shown
    ]
    return render_page(
        "sweep",
        scripts=("report", "sweep"),
        title=title,
        kind=kind,
        summary=summary,
        same=", ".join(f"{_TITLES[key]} {value}" for key, value in same.items()),
        command=command,
        columns=columns,
        groups=_groups(key for key in _GROUPS if len(values[key]) > 1),
        rows=cells,
        hidden=len(rows) - len(shown),
        failed=failed,
    )


def _cell(value: Any) -> dict[str, str]:
    """Return what a cell of the table shows, and what it is sorted by."""
    if value is None:
        return {"text": NOTHING, "value": ""}
    text = format_number(value) if isinstance(value, float) else str(value)
    return {"text": text, "value": repr(value) if isinstance(value, int | float) else text}


def _groups(varying: Iterable[str]) -> dict[str, str]:
    """Return what can be ranked by: each column that varies, and models with each analyzer."""
    groups = {key: key for key in varying}
    if {"model", "analyzer"} <= set(groups):
        groups["model analyzer"] = "model and analyzer"
    return groups


def _summary(status: Status, directions: int) -> str:
    parts = [f"{directions:,} directions of {status.finished:,} analyses"]
    if status.missing:
        parts.append(f"{status.missing:,} are missing")
    if status.failed:
        parts.append(f"{len(status.failed):,} failed")
    return ", ".join(parts) + "."
