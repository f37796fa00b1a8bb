"""The table of a sweep: a row a direction, as CSV and, with pyarrow, as Parquet; and what each cell took."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo._utils.files import atomic_file
from zoo._utils.locks import locked
from zoo.sweep.cells import Cell
from zoo.sweep.folder import SweepFolder

# The columns, and what they hold where a file of types is written.
COLUMNS: dict[str, type] = {
    "cell": str,
    "model": str,
    "space": str,
    "model_options": str,
    "analyzer": str,
    "options": str,
    "region": str,
    "layers": str,
    "label": str,
    "seed": int,
    "samples": int,
    "truncation": float,
    "index": int,
    "score": float,
    "kept_norm": float,
    "step": float,
    "visible": bool,
    "locality_own": float,
    "locality_own_low": float,
    "locality_own_high": float,
    "locality_unseen": float,
    "locality_unseen_low": float,
    "locality_unseen_high": float,
    "repeats": int,
    "redundancy": float,
    "name": str,
    "strength": float,
    "report": str,
}
_COSTS = ("cell", "model", "analyzer", "seconds", "peak_bytes")


def rows_of(folder: SweepFolder) -> Iterator[dict[str, Any]]:
    """Yield the rows of the finished cells of the plan, in its order.

    Args:
        folder: The folder of the sweep.

    Yields:
        Plain values, by `COLUMNS`.
    """
    for name, cell in folder.cells():
        result = folder.result(name)
        for row in result.get("rows", ()):
            known = {**_words(name, cell), **result["facts"], **row}
            yield {column: known.get(column) for column in COLUMNS}


def _words(name: str, cell: Cell) -> dict[str, Any]:
    return {
        "cell": name,
        "model_options": " ".join(cell.model.words()[1:]) or None,
        "analyzer": cell.analyzer.name,
        "options": " ".join(cell.analyzer.words()[1:]) or None,
        "region": cell.region,
        "layers": cell.layers,
        "label": None if cell.label is None else str(cell.label),
        "seed": cell.seed,
        "truncation": cell.truncation,
        "report": f"cells/{name}/report.html",
    }


def write_table(folder: SweepFolder) -> None:
    """Write ``table.csv``, ``table.parquet`` where pyarrow is installed, and ``costs.csv``.

    Several commands may end at the same time: each of them reads what is finished once the one before it has written.

    Args:
        folder: The folder of the sweep.

    Raises:
        OutputError: If the operating system refuses.
    """
    with locked(folder.path / "table"):
        rows = list(rows_of(folder))
        _write_csv(folder.path / "table.csv", list(COLUMNS), rows)
        _write_csv(folder.path / "costs.csv", _COSTS, list(_costs(folder)))
        if importlib.util.find_spec("pyarrow"):
            _write_parquet(folder.path / "table.parquet", rows)


def _costs(folder: SweepFolder) -> Iterator[dict[str, Any]]:
    for name, cell in folder.cells():
        cost = folder.cost(name)
        if cost:
            yield {"cell": name, "model": cell.model.name, "analyzer": cell.analyzer.name, **cost}


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    with atomic_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    import pyarrow
    from pyarrow import parquet

    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    with atomic_file(path) as partial:
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), partial)
