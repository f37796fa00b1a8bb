"""What the commands share: settings and progress bars."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo._utils.progress import Progress, silent
from zoo.errors import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from zoo.plugins.manager import Plugins
    from zoo.registry.registry import Installation

# Seconds that work must have taken before a bar is drawn for it.
_DELAY = 0.3

# Counts from this size are taken to be bytes: there are never so many steps.
_LEAST_BYTES = 1_000_000


@dataclass(frozen=True)
class Settings:
    """The global options, and what is installed.

    Attributes:
        plugins: the plugins.
        registry: files of cards to read beside those that are always read.
        quiet: whether to print neither progress nor tables.

    """

    plugins: Plugins
    registry: tuple[Path, ...] = ()
    quiet: bool = False

    def with_option(self, name: str, value: Any) -> Settings:
        """Apply a global option.

        Args:
            name: ``quiet`` or ``registry``; any other is seen to where it is read.
            value: its value; that of ``registry`` is added to those before it.

        Returns:
            The settings with that option.

        """
        if name == "registry":
            return replace(self, registry=(*self.registry, *map(Path, value)))
        return replace(self, quiet=True) if name == "quiet" else self

    @cached_property
    def installation(self) -> Installation:
        """The plugins and model cards."""
        from zoo.registry.registry import Installation

        return Installation(self.plugins, self.registry)

    @cached_property
    def console(self) -> Console:
        """Where results are printed."""
        from zoo.cli.safe_console import SafeConsole

        return SafeConsole(quiet=self.quiet, highlight=False)

    @property
    def on_terminal(self) -> bool:
        """Whether standard output is a terminal; colours may be wished for elsewhere too."""
        return sys.stdout.isatty()


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
    from rich.console import Console

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
                tasks[what] = bars.add_task(escape(printable(what)), amount="")
            bars.update(tasks[what], completed=done, total=total or None, amount=_format_amount(done, total))
            if 0 < total <= done:
                clear()

        yield update


def escape(text: str) -> str:
    """Protect the brackets of a text from being read as markup; see `rich.markup.escape`, imported on first use."""
    from rich.markup import escape as escape_markup

    return escape_markup(text)


def _format_amount(done: int, total: int) -> str:
    """Write how much is done of how much; large numbers as bytes."""
    from rich.filesize import decimal

    texts = [decimal(number) if max(done, total) >= _LEAST_BYTES else str(number) for number in (done, total)]
    return "/".join(texts if total else texts[:1])
