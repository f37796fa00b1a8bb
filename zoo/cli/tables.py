"""Tables and JSON on standard output: laid out on a terminal, separated by tabs in a pipe or file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.cli.console import Settings
from zoo.errors import printable


def print_table(
    settings: Settings,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    optional: Sequence[str] = (),
    elastic: str = "",
    wide: bool = False,
) -> None:
    """Print a table. In a pipe, cells are whole and a tab stands between them, so that ``cut`` finds them.

    Args:
        settings: the settings of the command line; quiet ones print nothing.
        columns: the headings; without any text there is no line of them.
        rows: the cells.
        right: the headings of columns that are aligned to the right.
        optional: headings of columns that are left out, in this order, where a line would not fit on the terminal.
        elastic: the heading of a column whose cells are cut, if that is enough.
        wide: make lines as long as they are; the terminal wraps them.

    """
    if settings.quiet:
        return
    columns, *rows = ([printable(cell) for cell in row] for row in (columns, *rows))
    if not settings.on_terminal:
        for row in [columns, *rows] if any(columns) else rows:
            print("\t".join(" ".join(cell.split()) for cell in row))
        return
    from zoo.cli.layouts import lay_out_table

    lay_out_table(settings.console, columns, rows, right=right, optional=optional, elastic=elastic, wide=wide)


def print_facts(settings: Settings, facts: Mapping[str, Any]) -> None:
    """Print facts as a table of two columns; a list has a line for each of its items.

    On a terminal, texts are wrapped between words. Addresses and paths stay whole, so that they can be copied.

    Args:
        settings: the settings of the command line.
        facts: the facts by name.

    """
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        lines = value if isinstance(value, list) else [value]
        rows += [(key if index == 0 or not settings.on_terminal else "", str(line)) for index, line in enumerate(lines)]
    if not settings.on_terminal:
        print_table(settings, ["", ""], rows)
        return
    from zoo.cli.layouts import lay_out_facts

    lay_out_facts(settings.console, rows)


def print_json(value: Any) -> None:
    """Print a value as JSON; numbers that JSON does not have, infinities and NaN, become null.

    Args:
        value: mappings, sequences, texts and numbers; anything else is written as its text.

    """
    print(json.dumps(_finite(value), indent=2, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value
