"""The result of a bench: tables with intervals, advice, JSON and a page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo._utils.html_repr import facts_html, table_html
from zoo.bench.advice import Advice, advise
from zoo.bench.intervals import Figure
from zoo.bench.methods import RANDOM, SUPERVISED
from zoo.bench.samples import Sample
from zoo.bench.tables.columns import TableKind
from zoo.bench.tables.coordinates import TABLE as COORDINATES
from zoo.bench.tables.factors import TABLE as FACTORS
from zoo.bench.tables.locality import TABLE as LOCALITY
from zoo.bench.tables.nearest import TABLE as NEAREST
from zoo.bench.tables.readback import TABLE as READBACK
from zoo.bench.tables.transfer import TABLE as TRANSFER
from zoo.editing.run_folder import new_run_folder
from zoo.models.model import Model
from zoo.report.report import render_page
from zoo.report.table import format_value

FORMAT = "zoo-bench/1"

# The tables, in their order.
TABLES = (LOCALITY, FACTORS, COORDINATES, TRANSFER, READBACK, NEAREST)

# The table and key of each column of ratios.
_RATIOS = {(table.name, column.key) for table in TABLES for column in table.columns if column.ratio}

# Figures that differ by a smaller share than this are equal.
_ROUNDING = 1e-4

_COST = "Seconds of processor time to find the directions, without Jacobians from the cache."


@dataclass(frozen=True, eq=False)
class Bench:
    """How good each method is on one model.

    Attributes:
        model: The model.
        samples: What was measured of each method in each repetition.
        skipped: Of methods that could not run, the reasons.
        record: Everything that the result depends on.
    """

    model: Model
    samples: Sequence[Sample]
    skipped: Mapping[str, str]
    record: Mapping[str, Any]

    @cached_property
    def methods(self) -> list[str]:
        """The names of the methods: the floor first, the ceiling last, analyses as they were asked for between."""
        names = list(dict.fromkeys(one.method for one in self.samples))
        ends = {RANDOM: 0, SUPERVISED: 2}
        return sorted(names, key=lambda name: ends.get(name, 1))

    def figure(self, method: str, table: str, key: str) -> Figure:
        """Return one figure, over repetitions.

        Args:
            method: The name of the method.
            table: The name of the table.
            key: The key of the column.

        Returns:
            Its mean and interval.
        """
        return _summarised([one for one in self.samples if one.method == method], table, key)

    def beats(self, method: str, other: str, table: str, key: str) -> bool:
        """Say whether a figure of one method is larger than that of another, beyond chance.

        Both are measured at the same codes in each repetition, so that what counts is the difference there: its 95 %
        interval over repetitions must lie above 0. Of ratios such as localities, whose errors grow with their size, it
        is the difference of the logarithms.

        Args:
            method: The name of the method.
            other: The name of the other one.
            table: The name of the table.
            key: The key of the column.

        Returns:
            Whether it is; False for a single repetition.
        """
        ours, theirs = (self._by_seed(name, table, key) for name in (method, other))
        pairs = [(ours[seed].mean, theirs[seed].mean) for seed in sorted(ours.keys() & theirs.keys())]
        if (table, key) in _RATIOS:
            pairs = [(math.log(one), math.log(two)) for one, two in pairs]
            rounding = _ROUNDING
        else:
            rounding = _ROUNDING * max((abs(one) for one, _ in pairs), default=0.0)
        difference = Figure.of([one - two for one, two in pairs])
        return difference.interval is not None and difference.interval[0] > rounding

    def _by_seed(self, method: str, table: str, key: str) -> dict[int, Figure]:
        """Return the mean figure of a method in each repetition that has one."""
        rows = [one for one in self.samples if one.method == method]
        found = {
            seed: _summarised([one for one in rows if one.seed == seed], table, key)
            for seed in {one.seed for one in rows}
        }
        return {seed: figure for seed, figure in found.items() if figure.count}

    def seconds(self, method: str) -> Figure:
        """Return what it cost to find the directions of a method.

        Args:
            method: The name of the method.

        Returns:
            Seconds of processor time.
        """
        return Figure.of([one.seconds for one in self.samples if one.method == method])

    @cached_property
    def advice(self) -> list[Advice]:
        """Which analysis to use for what."""
        return advise(self)

    def measured(self, table: TableKind) -> bool:
        """Say whether there is any figure of a table.

        Args:
            table: The table.

        Returns:
            Whether there is.
        """
        return any(one.figures.get(table.name) for one in self.samples)

    def columns(self, table: TableKind) -> list[tuple[str, str]]:
        """List the columns of a table, and behind them one for each attribute where it has them.

        Args:
            table: The table.

        Returns:
            The key and the title of each.
        """
        return [*((column.key, column.title) for column in table.columns), *self._attribute_columns(table)]

    def _attribute_columns(self, table: TableKind) -> list[tuple[str, str]]:
        prefix = table.by_attribute
        keys = dict.fromkeys(key for one in self.samples for key in one.figures.get(table.name, {}))
        named = [key for key in keys if prefix and key.startswith(prefix)]
        return [(key, key.removeprefix(prefix).replace("_", " ")) for key in named]

    def lay_out(self, table: TableKind, *, by_attribute: bool = False) -> tuple[list[str], list[list[str]]]:
        """Lay out a table as text.

        Args:
            table: The table.
            by_attribute: Lay out the columns of its attributes instead of the others.

        Returns:
            The titles of the columns, and a row for each method; no column where there is no figure.
        """
        usual = [(column.key, column.title) for column in table.columns]
        columns = self._attribute_columns(table) if by_attribute else usual
        rows = [[name, *(self.figure(name, table.name, key).text() for key, _ in columns)] for name in self.methods]
        shown = [index for index in range(len(columns) + 1) if any(row[index] != "–" for row in rows)]
        titles = ["directions", *(title for _, title in columns)]
        return [titles[index] for index in shown], [[row[index] for index in shown] for row in rows]

    def costs(self) -> tuple[list[str], list[list[str]]]:
        """Lay out what it cost to find directions.

        Returns:
            The titles of the columns, and a row for each method.
        """
        return ["directions", "seconds"], [[name, self.seconds(name).text()] for name in self.methods]

    def notes(self) -> list[str]:
        """Say what was left out.

        Returns:
            A sentence for each, without its full stop.
        """
        notes = [] if self.record["repetitions"] > 1 else ["figures of one repetition have no interval: draw more"]
        notes += [f"{name} was left out: {why}" for name, why in self.skipped.items()]
        if not self.record["scorers"]:
            notes.append("no scorer fits this model: tables of factors are missing, and so are supervised directions")
        elif self.record["part"] is None:
            notes.append("no scorer finds the part that the region is named after: inside is the region itself")
        return notes

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values.

        Returns:
            The content of `bench.json`.
        """
        return {
            "format": FORMAT,
            **self.record,
            "skipped": dict(self.skipped),
            "advice": [one.as_json() for one in self.advice],
            "tables": {
                table.name: {
                    name: {key: self.figure(name, table.name, key).as_json() for key, _ in self.columns(table)}
                    for name in self.methods
                }
                for table in TABLES
                if self.measured(table)
            },
            "seconds": {name: self.seconds(name).as_json() for name in self.methods},
            "samples": [one.as_json() for one in self.samples],
        }

    def save(self, folder: str | Path, *, force: bool = False) -> None:
        """Write a new folder: `bench.json` and `report.html`.

        Args:
            folder: The folder to write.
            force: Replace an existing run folder.

        Raises:
            OutputError: If the folder exists and may not be replaced, or cannot be written.
        """
        with new_run_folder(folder, force=force) as partial:
            text = json.dumps(self.as_json(), indent=1, allow_nan=False)
            (partial / "bench.json").write_text(text + "\n", encoding="utf-8")
            (partial / "report.html").write_text(self._page(), encoding="utf-8", errors="replace")

    def _page(self) -> str:
        sections = [
            {
                "name": table.name,
                "title": table.title,
                "question": table.question,
                "tables": [self.lay_out(table), *(table_of for table_of in [self._by_attribute(table)] if table_of)],
                "meanings": [(column.title, column.meaning) for column in table.columns],
                "by_attribute": _BY_ATTRIBUTE.get(table.name),
            }
            for table in TABLES
            if self.measured(table)
        ]
        cost = {"name": "cost", "title": "Cost", "question": _COST, "tables": [self.costs()], "meanings": []}
        return render_page(
            "bench",
            card=self.model.card,
            region=self.record["region"],
            advice=self.advice,
            notes=self.notes(),
            sections=[*sections, {**cost, "by_attribute": None}],
            command=self.record["command"],
            record={key: format_value(value) for key, value in self.record.items() if key != "command"},
        )

    def _by_attribute(self, table: TableKind) -> tuple[list[str], list[list[str]]] | None:
        laid_out = self.lay_out(table, by_attribute=True)
        return laid_out if len(laid_out[0]) > 1 else None

    def __repr__(self) -> str:
        return f"Bench({self.model.name}, region {self.record['region']}: {', '.join(self.methods)})"

    def _repr_html_(self) -> str:
        """Show a notebook the advice and the tables."""
        html = facts_html("Bench", {one.wish: one.text for one in self.advice})
        return html + "".join(table_html(*self.lay_out(table)) for table in TABLES if self.measured(table))


def _summarised(samples: Sequence[Sample], table: str, key: str) -> Figure:
    """Summarise a figure of some samples; one that has none is left out."""
    values = [one.figures.get(table, {}).get(key, math.nan) for one in samples]
    return Figure.of(values, ratio=(table, key) in _RATIOS)


_BY_ATTRIBUTE = {
    "factors": "The second table has effect minus leakage of each factor.",
    "nearest": "The second table has the distance of each factor's direction.",
}
