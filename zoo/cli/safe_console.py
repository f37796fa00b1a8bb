"""A console of rich's that files cannot send signs to."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from zoo.errors import printable


class SafeConsole(Console):
    """A console to which no text of a file brings control signs of its own."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print objects; each text on one line, see `zoo.errors.printable`."""
        super().print(*(printable(one) if isinstance(one, str) else one for one in objects), **options)
