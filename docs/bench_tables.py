"""The tables of the benches that `recipes/bench.py` measured."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from bundled_tables import MEASURED
from python_signatures import code, table

from zoo.bench.intervals import Figure

FOLDER = MEASURED / "bench"
# The columns of the table of one model: table, key, title.
COLUMNS = (
    ("locality", "best@0.02", "locality, best"),
    ("locality", "mean", "locality, mean"),
    ("locality", "redundancy", "redundancy"),
    ("factors", "selectivity", "selectivity"),
    ("factors", "coverage", "coverage"),
    ("coordinates", "mig", "MIG"),
    ("transfer", "kept", "kept at unseen codes"),
    ("readback", "same_factors", "same factors, projected"),
    ("nearest", "smallest", "to a supervised one"),
)


def _read(name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return values


def _text(values: dict[str, Any] | None) -> str:
    if values is None or values["mean"] is None:
        return ""
    ends, ratio = values["interval"], values.get("ratio", False)
    return Figure(values["mean"], None if ends is None else tuple(ends), values["repetitions"], ratio).text()


def _names(measured: dict[str, Any]) -> list[str]:
    return list(measured["tables"]["locality"])


def _figures(name: str) -> str:
    """Show the main figures of one model."""
    measured = _read(name)
    tables, names = measured["tables"], _names(measured)
    columns = [
        (one, key, title)
        for one, key, title in COLUMNS
        if one in tables and any(_text(row.get(key)) for row in tables[one].values())
    ]
    rows = [
        [
            name if name in {"random", "supervised"} else code(name),
            *(_text(tables[one][name].get(key)) for one, key, _ in columns),
            "" if name in {"random", "supervised"} else _text(measured["seconds"][name]),
        ]
        for name in names
    ]
    return table(["directions", *(title for _, _, title in columns), "seconds"], rows)


def _advice(name: str) -> str:
    """Show the advice of one model."""
    return table(["you want", "advice"], [[one["wish"], one["text"]] for one in _read(name)["advice"]])


def _summary(_: str) -> str:
    """Show for each model and analysis how many times more local it is than random directions, and by which factor."""
    measured = [_read(path.stem) for path in sorted(FOLDER.glob("*.json"))]
    names = dict.fromkeys(name for one in measured for name in _names(one))
    rows = []
    for name in names:
        cells = []
        for one in measured:
            figures = one["tables"]["locality"]
            figure, floor = figures.get(name, {}).get("best@0.02"), figures["random"]["best@0.02"]["mean"]
            mean = math.nan if figure is None or figure["mean"] is None else figure["mean"]
            cells.append("" if math.isnan(mean) or not floor else f"{mean / floor:.1f}")
        rows.append([name if name in {"random", "supervised"} else code(name), *cells])
    return table(["directions", *(code(one["model"]) for one in measured)], rows)


KINDS: dict[str, Callable[[str], str]] = {
    "bench": _figures,
    "bench-advice": _advice,
    "bench-summary": _summary,
}
