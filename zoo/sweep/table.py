"""The table of a sweep: a row a direction, as CSV and, with pyarrow, as Parquet; and what each cell took."""

from __future__ import annotations

import csv
import importlib.util
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from zoo.sweep.cells import Cell
from zoo.sweep.folder import SweepFolder
from zoo.sweep.places import Place

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
# Rows that are in memory at a time.
_TOGETHER = 5000
_COSTS = ("cell", "model", "analyzer", "seconds", "peak_bytes")


_Write = Callable[[list[dict[str, Any]]], object]


def rows_of(folder: SweepFolder) -> Iterator[dict[str, Any]]:
    """Yield the rows of the finished cells of the plan, in its order.

    Args:
        folder: The folder of the sweep.

    Yields:
        Plain values, by `COLUMNS`.
    """
    cells = folder.cells()
    for (name, cell), result in zip(cells, folder.results(name for name, _ in cells), strict=True):
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
    with folder.place.locked("table"), ExitStack() as stack:
        writers = [stack.enter_context(_writing_csv(folder.place, "table.csv", list(COLUMNS)))]
        if importlib.util.find_spec("pyarrow"):
            writers.append(stack.enter_context(_writing_parquet(folder.place, "table.parquet")))
        for rows in _batches(rows_of(folder)):
            for write in writers:
                write(rows)
        with _writing_csv(folder.place, "costs.csv", _COSTS) as write:
            for rows in _batches(_costs(folder)):
                write(rows)


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield rows together, so that memory does not grow with their number."""
    while batch := list(itertools.islice(rows, _TOGETHER)):
        yield batch


def _costs(folder: SweepFolder) -> Iterator[dict[str, Any]]:
    cells = folder.cells()
    for (name, cell), cost in zip(cells, folder.costs(name for name, _ in cells), strict=True):
        if cost:
            yield {"cell": name, "model": cell.model.name, "analyzer": cell.analyzer.name, **cost}


@contextmanager
def _writing_csv(place: Place, name: str, columns: Sequence[str]) -> Iterator[_Write]:
    with place.writing(name) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        yield writer.writerows
        file.flush()


@contextmanager
def _writing_parquet(place: Place, name: str) -> Iterator[_Write]:
    import pyarrow
    from pyarrow import parquet

    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    with place.writing(name) as partial, parquet.ParquetWriter(partial, schema) as writer:
        yield lambda rows: writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
