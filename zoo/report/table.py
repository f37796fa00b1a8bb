"""What was measured of a direction, and numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from zoo._utils.progress import Progress
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.core.region import Region
from zoo.editing.locality import Locality, measure_locality
from zoo.models.model import Model
from zoo.scoring.effects import Effect


@dataclass(frozen=True, kw_only=True)
class DirectionSummary:
    """What was measured of a direction: score, kept norm, median locality on own and on unseen codes; None for not.

    `name` is what a scorer suggests to call it.
    """

    score: float
    kept: float | None
    own: Locality | None
    unseen: Locality | None
    name: Effect | None = None

    def texts(self) -> dict[str, str]:
        """Return the figures as people read them; a locality that did not reach its change ends with a star."""
        return {
            "score": figure(self.score),
            "kept": figure(self.kept),
            "own": _locality(self.own),
            "unseen": _locality(self.unseen),
        }


def localities(
    model: Model, codes: Codes | None, directions: Directions, region: Region, *, progress: Progress, what: str
) -> tuple[tuple[Locality, ...], ...]:
    """Measure every direction at every code; nothing where there is no code or no outside."""
    if codes is None or region.whole or len(directions) == 0:
        return ()
    by_code = []
    for index in range(len(codes)):
        progress(index, len(codes), what)
        by_code.append(measure_locality(model.adapter, codes[index], directions.vectors, region, directions.layers))
    progress(len(codes), len(codes), what)
    return tuple(zip(*by_code, strict=True))


def summary(values: Sequence[Sequence[Locality]], index: int) -> Locality | None:
    """Take the median over codes, marked if any code did not reach the change; None where nothing was measured."""
    found = [one for one in (values[index] if values else ()) if not math.isnan(one.value)]
    if not found:
        return None
    middle = median(one.value for one in found)
    return Locality(middle, median(one.step for one in found), all(one.reached for one in found))


def as_json(values: Sequence[Sequence[Locality]]) -> list[list[dict[str, Any]]]:
    """Return plain values, as the card of a directions file keeps them."""
    return [[found.as_json() for found in row] for row in values]


def figure(value: float | None) -> str:
    """Write a number with three figures, and a dash for none."""
    if value is None:
        return "–"
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def signed(value: float) -> str:
    """Write a number with three figures and its sign, a real minus; 0 has none."""
    return "0" if value == 0 else ("−" if value < 0 else "+") + figure(abs(value))


def row_numbers(rows: Sequence[int]) -> str:
    """Write rows of a code as ``row 3`` or ``rows 0–5, 7``."""
    runs: list[list[int]] = []
    for row in rows:
        if runs and row == runs[-1][-1] + 1:
            runs[-1].append(row)
        else:
            runs.append([row])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    return f"{'row' if len(rows) == 1 else 'rows'} {', '.join(texts)}"


def shown(value: Any) -> str:
    """Write a value of the record for people."""
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {shown(part)}" for key, part in value.items()) or "–"
    if isinstance(value, list):
        return ", ".join(shown(part) for part in value) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _locality(found: Locality | None) -> str:
    return figure(None) if found is None else figure(found.value) + ("" if found.reached else "*")
