"""What the commands share: settings, tables, progress bars."""

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

_WIDE = 200
_MOMENT = 0.3
"""Seconds that work must have taken before a bar is drawn for it."""
_BYTES = 1_000_000


@dataclass(frozen=True)
class Settings:
    """What this installation has, and the options before the verb."""

    installation: Installation
    quiet: bool = False

    @cached_property
    def console(self) -> Console:
        """Where tables go; as wide as they need when it is not a terminal."""
        console = Console(quiet=self.quiet, highlight=False)
        if not console.is_terminal:
            console.width = _WIDE
        return console


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> Table:
    """Lay out text; columns named in `right` are set flush right."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        made.add_column(column, justify="right" if column in right else "left", overflow="fold", no_wrap=place == 0)
    for row in rows:
        made.add_row(*row)
    return made


@contextmanager
def progress_bars(settings: Settings) -> Iterator[Progress]:
    """Yield a callback (done, total, what) that draws a bar with the time left; silent when not at a terminal.

    There is one bar at a time, for what is being done now, and only if that takes a moment, so that bars neither pile
    up nor flash. A total of 0 means that nobody knows it.
    """
    errors = Console(stderr=True)
    if settings.quiet or not errors.is_terminal:
        yield silent
        return
    from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    class LateBars(Bars):
        def get_renderables(self) -> Iterator[RenderableType]:
            yield self.make_tasks_table([task for task in self.tasks if (task.elapsed or 0) > _MOMENT])

    under_way: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(),
    )
    with LateBars(*columns, console=errors, transient=True, redirect_stdout=False) as bars:

        def clear() -> None:
            while under_way:
                bars.remove_task(under_way.popitem()[1])

        def update(done: int, total: int, what: str) -> None:
            if what not in under_way:
                clear()
                under_way[what] = bars.add_task(escape(what), amount="")
            bars.update(under_way[what], completed=done, total=total or None, amount=_amount(done, total))
            if 0 < total <= done:
                clear()

        yield update


def _amount(done: int, total: int) -> str:
    """Write how much is done of how much; numbers so large that they can only be bytes are written as such."""
    written = [decimal(number) if max(done, total) >= _BYTES else str(number) for number in (done, total)]
    return "/".join(written if total else written[:1])
