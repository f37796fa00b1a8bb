"""What the commands share: settings, tables, progress bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from zoo.progress import Progress

if TYPE_CHECKING:
    from zoo.registry import Zoo

_WIDE = 200


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
    """Yield a callback (done, total, what) that draws a bar with the time left; silent when not at a terminal."""
    errors = Console(stderr=True)
    if settings.quiet or not errors.is_terminal:
        yield lambda done, total, what: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    tasks: dict[str, TaskID] = {}
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    ) as bars:

        def update(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield update
