"""What a table is: its columns, and the function that measures the figures of one method in one repetition."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zoo.bench.pictures import Measured
from zoo.bench.trial import Trial

# The figures of one method in one repetition, by the keys of columns; NaN where there is none.
Figures = Mapping[str, float]

NAN = math.nan


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        key: The key of its figures.
        title: Its title.
        meaning: What it says, a sentence without its full stop.
        ratio: Whether its figures are positive ratios, of which two are compared by their quotient.
    """

    key: str
    title: str
    meaning: str
    ratio: bool = False


@dataclass(frozen=True)
class TableKind:
    """One of the tables.

    Attributes:
        name: A short name, as in JSON.
        title: The heading.
        question: What it answers, and after whom, in sentences.
        columns: The columns that are always there.
        measure: Measures one method in one repetition.
        by_attribute: The prefix of keys that have a column for each attribute; empty where there are none.
    """

    name: str
    title: str
    question: str
    columns: tuple[Column, ...]
    measure: Callable[[Trial, Measured], Figures]
    by_attribute: str = ""
