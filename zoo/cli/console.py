"""What the commands share: settings, tables and progress bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from zoo._utils.progress import Progress, silent

if TYPE_CHECKING:
    from zoo.registry.registry import Installation

# Columns of a table that goes to a file or a pipe.
_WIDTH_WITHOUT_TERMINAL = 200

# Seconds that work must have taken before a bar is drawn for it.
_DELAY = 0.3

# Counts from this size are taken to be bytes: there are never so many steps.
_LEAST_BYTES = 1_000_000


@dataclass(frozen=True)
class Settings:
    """The options before the verb, and what is installed.

    Attributes:
        installation: the plugins and model cards.
        quiet: whether to print neither progress nor tables.

    """

    installation: Installation
    quiet: bool = False

    @cached_property
    def console(self) -> Console:
        """Where tables are printed; wide if it is not a terminal."""
        console = Console(quiet=self.quiet, highlight=False)
        if not console.is_terminal:
            console.width = _WIDTH_WITHOUT_TERMINAL
        return console


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> Table:
    """Lay out a table.

    Args:
        columns: the headings.
        rows: the cells, in rich's markup.
        right: the headings of columns that are aligned to the right.

    Returns:
        The table, to be printed by rich.

    """
    layout = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        layout.add_column(column, justify="right" if column in right else "left", overflow="fold", no_wrap=index == 0)
    for row in rows:
        layout.add_row(*row)
    return layout


@contextmanager
def progress_bars(settings: Settings) -> Iterator[Progress]:
    """Draw progress bars in the body of a ``with`` statement; nothing if standard error is not a terminal.

    At any time there is at most one bar, for the work under way, and only if that takes longer than a moment: so bars
    neither pile up nor flash.

    Args:
        settings: with `Settings.quiet`, nothing is drawn.

    Yields:
        A callback ``progress(done, total, what)``; a total of 0 means that it is not known.

    """
    errors = Console(stderr=True)
    if settings.quiet or not errors.is_terminal:
        yield silent
        return
    from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    class DelayedBars(Bars):
        def get_renderables(self) -> Iterator[RenderableType]:
            yield self.make_tasks_table([task for task in self.tasks if (task.elapsed or 0) > _DELAY])

    tasks: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(),
    )
    with DelayedBars(*columns, console=errors, transient=True, redirect_stdout=False) as bars:

        def clear() -> None:
            while tasks:
                bars.remove_task(tasks.popitem()[1])

        def update(done: int, total: int, what: str) -> None:
            if what not in tasks:
                clear()
                tasks[what] = bars.add_task(escape(what), amount="")
            bars.update(tasks[what], completed=done, total=total or None, amount=_format_amount(done, total))
            if 0 < total <= done:
                clear()

        yield update


def _format_amount(done: int, total: int) -> str:
    """Write how much is done of how much; large numbers as bytes."""
    texts = [decimal(number) if max(done, total) >= _LEAST_BYTES else str(number) for number in (done, total)]
    return "/".join(texts if total else texts[:1])
