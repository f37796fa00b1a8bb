"""What was measured of a direction, as a row of a table, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zoo.editing.locality import Locality
from zoo.editing.steps import LARGEST_STEP
from zoo.scoring.appearance import Appearance
from zoo.scoring.effects import Effect

# The columns of a table of `DirectionSummary.texts`, with their titles.
COLUMNS = {
    "label": "direction",
    "score": "score",
    "retained": "kept norm",
    "step": "step",
    "own": "locality, own",
    "unseen": "locality, unseen",
    "part": "locality, part",
    "repeats": "repeats",
    "redundancy": "redundancy",
    "name": "suggested name",
}

# What a cell holds where nothing was measured.
NOTHING = "–"


@dataclass(frozen=True, kw_only=True)
class DirectionSummary:
    """What was measured of a direction; None for what was not.

    Attributes:
        label: How tables name it.
        score: The score that its analyzer gave it.
        retained: The share of its norm that a projection left.
        step: How far it was moved both ways, for everything that follows and for pictures.
        own: How local it is at the codes that were analysed.
        unseen: How local it is at unseen codes.
        part: How local it is there to the part of each image that the region is named after.
        repeats: The stronger direction whose changes it repeats, and the cosine of their changes; None for none.
        redundancy: The mean |cosine| of its changes and those of the other directions; None for one direction.
        name: The effect that a scorer suggests to name it after, or else what it does to pixels.
    """

    label: str
    score: float
    retained: float | None
    step: float | None
    own: Locality | None
    unseen: Locality | None
    part: Locality | None = None
    repeats: tuple[int, float] | None = None
    redundancy: float | None = None
    name: Effect | Appearance | None = None

    @property
    def reached(self) -> bool:
        """Whether the region changes visibly at that step, as it is below the largest one."""
        return self.step is None or self.step < LARGEST_STEP

    def texts(self) -> dict[str, str]:
        """Return the text of each of `COLUMNS`; a step at which no change is visible ends with a star."""
        return {
            "label": self.label,
            "score": format_number(self.score),
            "retained": format_number(self.retained),
            "step": format_number(self.step) + ("" if self.reached else "*"),
            "own": NOTHING if self.own is None else self.own.text(),
            "unseen": NOTHING if self.unseen is None else self.unseen.text(),
            "part": NOTHING if self.part is None else self.part.text(),
            "repeats": NOTHING if self.repeats is None else f"{self.repeats[0]} ({self.repeats[1]:.2f})",
            "redundancy": NOTHING if self.redundancy is None else f"{self.redundancy:.2f}",
            "name": NOTHING if self.name is None else str(self.name),
        }

    def as_json(self) -> dict[str, Any]:
        """Return plain values by the names of the attributes; None for what was not measured."""
        return {
            **asdict(self),
            "own": None if self.own is None else self.own.as_json(),
            "unseen": None if self.unseen is None else self.unseen.as_json(),
            "part": None if self.part is None else self.part.as_json(),
            "repeats": None if self.repeats is None else dict(zip(("direction", "cosine"), self.repeats, strict=True)),
            "name": None if self.name is None else self.name.as_json(),
        }


def lay_out(rows: Sequence[DirectionSummary]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Lay summaries out as a table, without the columns of what was measured of no direction.

    Args:
        rows: The summaries.

    Returns:
        The titles of the columns, and the texts of each row, both by the keys of `COLUMNS`.
    """
    texts = [row.texts() for row in rows]
    shown = [key for key in COLUMNS if any(row[key] != NOTHING for row in texts)] or ["label", "score"]
    return {key: COLUMNS[key] for key in shown}, [{key: row[key] for key in shown} for row in texts]


def format_number(value: float | None) -> str:
    """Write a number with three significant digits.

    Args:
        value: The number, or None.

    Returns:
        The text; a dash for None.
    """
    if value is None:
        return NOTHING
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
