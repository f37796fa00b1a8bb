"""What the commands share: settings, tables, progress bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from zoo.progress import Progress, silent

if TYPE_CHECKING:
    from zoo.registry import Zoo

_WIDE = 200
_MOMENT = 0.3
"""Seconds that work must have taken before a bar is drawn for it."""


@dataclass(frozen=True)
class Settings:
    """What this installation has, and the options before the verb."""

    zoo: Zoo
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
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


@contextmanager
def progress_bars(settings: Settings) -> Iterator[Progress]:
    """Yield a callback (done, total, what) that draws a bar with the time left; silent when not at a terminal.

    A bar is there while its work is under way, and only if that takes a moment, so that bars neither pile up nor flash.
    """
    errors = Console(stderr=True)
    if settings.quiet or not errors.is_terminal:
        yield silent
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    class LateBars(Bars):
        def get_renderables(self) -> Iterator[RenderableType]:
            yield self.make_tasks_table([task for task in self.tasks if (task.elapsed or 0) > _MOMENT])

    tasks: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with LateBars(*columns, console=errors, transient=True, redirect_stdout=False) as bars:

        def update(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(escape(what), total=total)
            bars.update(tasks[what], completed=done, total=total)
            if done >= total:
                bars.remove_task(tasks.pop(what))

        yield update
