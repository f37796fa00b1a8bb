"""How much the studio keeps: old sessions make room, except those that are open, or hold a star or a name."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

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
        kept = {path: _measure(path) for path in _entries(self.runs / STUDIO)}
        sessions = [path for path in kept if is_session(path.name)]
        others = sum(path.name != session for path in sessions)
        total = sum(one.size for one in kept.values()) + more
        for path in sorted(sessions, key=lambda path: kept[path].changed):
            if total <= MOST_BYTES and others < MOST_SESSIONS:
                return
            used = max(kept[path].changed, self.seen.get(path.name, 0.0))
            if path.name != session and used <= time.time() - _SECONDS_OPEN and not _is_dear(path):
                remove(path)
                total, others = total - kept[path].size, others - 1
        if total > MOST_BYTES or others >= MOST_SESSIONS:
            raise OptionError(
                f"the studio keeps {total / 2**30:.1f} GB in {others + 1} sessions, and none of them may go: they are "
                f"open, or have stars or names in them. Delete some of the folders in {self.runs / STUDIO}"
            )


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


class _Kept(NamedTuple):
    """How much a folder holds, and when it was last changed."""

    size: int
    changed: float


def _measure(folder: Path) -> _Kept:
    size, changed = 0, 0.0
    with suppress(OSError):
        changed = folder.stat().st_mtime
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found = Path(place, name).lstat()
                size, changed = size + found.st_size, max(changed, found.st_mtime)
    return _Kept(size, changed)
