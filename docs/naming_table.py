"""The table of how often names in words are right, from `recipes/measured/naming.json`."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from python_signatures import code, table

FILE = Path(__file__).parents[1] / "recipes" / "measured" / "naming.json"
RANDOM = "random"
COLUMNS = ["model", "known", "named", "right", "by chance", "strongest right", "random ones: right"]


def naming(_: str) -> str:
    """Show how often directions are named, and rightly."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))
    models = list(dict.fromkeys(row["model"] for row in rows))
    lines = [_line(code(name), [[row for row in rows if row["model"] == name]]) for name in models]
    together = _line("all", [[row for row in rows if row["model"] == name] for name in models])
    return table(COLUMNS, [*lines, together])


def _line(title: str, by_model: Sequence[Sequence[dict[str, Any]]]) -> list[str]:
    known = [[row for row in rows if row["method"] != RANDOM and row["known"]] for rows in by_model]
    told = [[row for row in rows if row["name"]] for rows in known]
    random = [row for rows in by_model for row in rows if row["method"] == RANDOM and row["known"] and row["name"]]
    total = sum(map(len, told))
    right = sum(row["says"] == row["known"] for rows in told for row in rows)
    by_chance = sum(len(rows) * chance(rows) for rows in told) / max(total, 1)
    return [
        title,
        str(sum(map(len, known))),
        share(total, sum(map(len, known))),
        share(right, total),
        f"{by_chance:.2f}",
        share(sum(row["strongest"] == row["known"] for rows in known for row in rows), sum(map(len, known))),
        share(sum(row["says"] == row["known"] for row in random), len(random)),
    ]


def chance(rows: Sequence[dict[str, Any]]) -> float:
    """Compute the share of right names if those of the rows were dealt out among them by chance."""
    known, said = Counter(row["known"] for row in rows), Counter(row["says"] for row in rows)
    return sum(known[one] * said[one] for one in known) / max(len(rows), 1) ** 2


def share(count: int, total: int, z: float = 1.96) -> str:
    """Write a share with its 95 % interval (Wilson, JASA 1927)."""
    if not total:
        return "–"
    part = count / total
    middle = (part + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z * math.sqrt(part * (1 - part) / total + z**2 / (4 * total**2)) / (1 + z**2 / total)
    return f"{part:.2f} ({max(middle - half, 0):.2f}–{min(middle + half, 1):.2f})"
