"""Tables as a terminal shows them, in its columns. What is piped needs no rich, which takes time to import."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# Columns between two cells.
_GAP = 2
# A cell that is cut shows so many characters at least; where there is less room, its column is left out.
_LEAST = 10
# A longer cell may be wrapped between its words.
_LONG = 24


def lay_out_table(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str],
    optional: Sequence[str],
    elastic: str,
    wide: bool,
) -> None:
    """Print a table; see `zoo.cli.tables.print_table`.

    Args:
        console: The terminal.
        columns: The headings.
        rows: The cells.
        right: The headings of columns that are aligned to the right.
        optional: Headings of columns that may be left out.
        elastic: The heading of a column whose cells may be cut; empty for none.
        wide: Make lines as long as they are.
    """
    if elastic and not wide:
        columns, *rows = _fit([columns, *rows], console.width, columns.index(elastic), map(columns.index, optional))
    if not elastic:
        for block in _blocks([columns, *rows], console.width):
            console.print(_lay_out(block[0], block[1:], right, wrapped=True))
        return
    layout = _lay_out(columns, rows, right, wrapped=False)
    if wide:
        console.width = max(
            console.width, Measurement.get(console, console.options.update(width=10**6), layout).maximum
        )
    console.print(layout)


def lay_out_facts(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    """Print facts, a name and a text in each line; see `zoo.cli.tables.print_facts`.

    Args:
        console: The terminal.
        rows: The names and the texts.
    """
    width = max((cell_len(key) for key, _ in rows), default=0) + _GAP
    room = max(console.width - width, _LONG)
    for key, text in rows:
        for index, line in enumerate(wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]):
            console.print(Text(set_cell_size(key if index == 0 else "", width) + line), soft_wrap=True)


def _lay_out(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str], *, wrapped: bool) -> Table:
    layout = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for index, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if column in right else "left"
        layout.add_column(column, justify=justify, overflow="fold", no_wrap=index == 0 or not wrapped)
    for row in rows:
        layout.add_row(*map(Text, row))
    return layout


def _blocks(lines: Sequence[Sequence[str]], width: int) -> Iterator[list[list[str]]]:
    """Part a table that is too wide into several, each with the first column; cells of some words may be wrapped."""
    needs = [
        max(max(map(cell_len, cell.split()), default=0) if cell_len(cell) > _LONG else cell_len(cell) for cell in cells)
        for cells in zip(*lines, strict=True)
    ]
    block = [0]
    for column in range(1, len(needs)):
        if len(block) > 1 and sum(needs[each] + _GAP for each in (*block, column)) - _GAP > width:
            yield [[line[each] for each in block] for line in lines]
            block = [0]
        block.append(column)
    yield [[line[each] for each in block] for line in lines]


def _fit(lines: Sequence[Sequence[str]], width: int, elastic: int, optional: Iterable[int]) -> list[list[str]]:
    """Make lines fit: leave optional columns out, one by one, and cut the cells of the elastic one."""
    widths = {column: max(map(cell_len, cells)) for column, cells in enumerate(zip(*lines, strict=True))}
    widths[elastic] = min(widths[elastic], _LEAST)
    for column in (*optional, elastic):
        if _line(widths) <= width:
            break
        widths.pop(column)
    room = width - _line(widths) + widths.get(elastic, 0)
    return [[_cut(line[column], room) if column == elastic else line[column] for column in widths] for line in lines]


def _line(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _cut(text: str, room: int) -> str:
    return text if cell_len(text) <= room else f"{set_cell_size(text, room - 1).rstrip()}…"
