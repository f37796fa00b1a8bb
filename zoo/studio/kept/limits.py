"""How much the studio keeps: old sessions make room, except those that are open, or hold a star or a name."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import OptionError
from zoo.studio.kept.sessions import STUDIO, is_session, read_json, remove

# Bytes and number of all sessions. Both are large beside what a person makes, and small beside a disk.
MOST_BYTES = 8 * 2**30
MOST_SESSIONS = 500
# Seconds without a call after which a session counts as closed.
_SECONDS_OPEN = 3600.0


@dataclass(frozen=True, eq=False)
class Limits:
    """Keeps the folder of the studio within its bounds.

    Attributes:
        runs: The folder of all runs.
        seen: When each session was last called, by its name.
    """

    runs: Path
    seen: dict[str, float] = field(default_factory=dict)

    def note(self, session: str) -> None:
        """Take note of a call.

        Args:
            session: The name of its session.
        """
        self.seen[session] = time.time()
        if len(self.seen) > 2 * MOST_SESSIONS:
            open_ones = {name: when for name, when in self.seen.items() if when > time.time() - _SECONDS_OPEN}
            self.seen.clear()
            self.seen.update(open_ones)

    def make_room(self, session: str, more: int = 0) -> None:
        """Delete old sessions until there is room.

        Args:
            session: The session that is about to keep something.
            more: How many bytes.

        Raises:
            OptionError: If what is open, starred or named takes all the room.
        """
        sizes = {path: _size(path) for path in _entries(self.runs / STUDIO)}
        sessions = [path for path in sizes if is_session(path.name)]
        others = sum(path.name != session for path in sessions)
        total = sum(sizes.values()) + more
        for path in sorted(sessions, key=_last_change):
            if total <= MOST_BYTES and others < MOST_SESSIONS:
                return
            if path.name != session and not self._is_open(path) and not _is_dear(path):
                remove(path)
                total, others = total - sizes[path], others - 1
        if total > MOST_BYTES or others >= MOST_SESSIONS:
            raise OptionError(
                f"the studio keeps {total / 2**30:.1f} GB in {others + 1} sessions, and none of them may go: they are "
                f"open, or have stars or names in them. Delete some of the folders in {self.runs / STUDIO}"
            )

    def _is_open(self, path: Path) -> bool:
        return max(_last_change(path), self.seen.get(path.name, 0.0)) > time.time() - _SECONDS_OPEN


def _is_dear(path: Path) -> bool:
    """Tell whether a person has starred or named something in a session."""
    records = (read_json(record) for record in path.glob("results/*/result.json"))
    return any(_marked(row) for record in records if isinstance(record, dict) for row in record.get("rows", ()))


def _marked(row: Any) -> bool:
    return isinstance(row, dict) and bool(row.get("starred") or row.get("given"))


def _entries(folder: Path) -> list[Path]:
    with suppress(OSError):
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    return []


def _files(folder: Path) -> Iterator[os.stat_result]:
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                yield Path(place, name).lstat()


def _size(folder: Path) -> int:
    return sum(found.st_size for found in _files(folder))


def _last_change(folder: Path) -> float:
    with suppress(OSError):
        return max([folder.stat().st_mtime, *(found.st_mtime for found in _files(folder))])
    return 0.0
