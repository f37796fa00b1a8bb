"""What was measured of a direction, as a row of a table, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.editing.locality import Locality
from zoo.scoring.effects import Effect

# The columns of a table of `DirectionSummary.texts`, with their titles.
COLUMNS = {
    "score": "score",
    "retained": "kept norm",
    "own": "locality, own",
    "unseen": "locality, unseen",
}


@dataclass(frozen=True, kw_only=True)
class DirectionSummary:
    """What was measured of a direction; None for what was not.

    Attributes:
        score: The score that its analyzer gave it.
        retained: The share of its norm that a projection left.
        own: Its median locality at the codes that were analysed.
        unseen: Its median locality at unseen codes.
        name: The effect that a scorer suggests to name it after.
    """

    score: float
    retained: float | None
    own: Locality | None
    unseen: Locality | None
    name: Effect | None = None

    def texts(self) -> dict[str, str]:
        """Return the text of each of `COLUMNS`; a locality that did not reach its change ends with a star."""
        return {
            "score": format_number(self.score),
            "retained": format_number(self.retained),
            "own": _format_locality(self.own),
            "unseen": _format_locality(self.unseen),
        }


def format_number(value: float | None) -> str:
    """Write a number with three significant digits.

    Args:
        value: The number, or None.

    Returns:
        The text; a dash for None.
    """
    if value is None:
        return "–"
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def format_signed(value: float) -> str:
    """Write a number with three significant digits and its sign.

    Args:
        value: The number.

    Returns:
        The text, with a true minus sign; 0 has no sign.
    """
    return "0" if value == 0 else ("−" if value < 0 else "+") + format_number(abs(value))


def format_rows(rows: Sequence[int]) -> str:
    """Write rows of a code, with consecutive ones as a range.

    Args:
        rows: The rows, in ascending order.

    Returns:
        Text such as ``row 3`` or ``rows 0–5, 7``.
    """
    runs: list[list[int]] = []
    for row in rows:
        if runs and row == runs[-1][-1] + 1:
            runs[-1].append(row)
        else:
            runs.append([row])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    return f"{'row' if len(rows) == 1 else 'rows'} {', '.join(texts)}"


def format_value(value: Any) -> str:
    """Write a value of a record.

    Args:
        value: A plain value, a list or a mapping.

    Returns:
        The text, with the parts of lists and mappings separated by commas.
    """
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {format_value(part)}" for key, part in value.items()) or "–"
    if isinstance(value, list):
        return ", ".join(format_value(part) for part in value) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _format_locality(locality: Locality | None) -> str:
    if locality is None:
        return format_number(None)
    return format_number(locality.value) + ("" if locality.reached else "*")
