"""Results: directions that were found or uploaded, each in a folder of its session, with what a person said of them."""

from __future__ import annotations

import filecmp
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo._utils.lookups import is_dir, is_file
from zoo.core.directions import Directions
from zoo.core.files.naming import name_direction
from zoo.errors import OptionError, UnknownNameError, printable
from zoo.report.table import DirectionSummary, format_number
from zoo.studio.bodies import Marks, Opened
from zoo.studio.kept.sessions import Session, read_json, remove, write_json

_KIND = "results"
_RECORD = "result.json"
_DIRECTIONS = "directions.safetensors"
# Rows that a page lists; the files hold all directions.
_MOST_ROWS = 128


@dataclass(frozen=True)
class Results:
    """The results of a session.

    Attributes:
        session: The session.
    """

    session: Session

    def new_id(self, name: str) -> str:
        """Choose the name of a new result, which stands in commands and on pictures.

        Args:
            name: What it could be called.

        Returns:
            The name and four digits.
        """
        short = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".-")[:60] or "result"
        while is_dir(self.folder(chosen := f"{short}-{secrets.token_hex(2)}")):
            pass
        return chosen

    def folder(self, name: str) -> Path:
        """Return the folder of a result, whether there is one or not."""
        return self.session.place(_KIND, name)

    def add(self, name: str, record: dict[str, Any]) -> dict[str, Any]:
        """Keep a result whose directions are in its folder already.

        Args:
            name: What it is called.
            record: What the page is told of it, without its name.

        Returns:
            The same with its name.
        """
        write_json(self.folder(name) / _RECORD, {"id": name, "created": time.time(), **record})
        return self.read(name)

    def read(self, name: str) -> dict[str, Any]:
        """Read a result.

        Args:
            name: What it is called.

        Returns:
            What the page is told of it.

        Raises:
            UnknownNameError: If there is none.
        """
        record = read_json(self.folder(name) / _RECORD)
        if not isinstance(record, dict):
            raise UnknownNameError(f"there is no result {name} in this session")
        if record.get("folder") and not is_dir(Path(record["folder"])):
            record["folder"] = None
        return record

    def list(self) -> Sequence[dict[str, Any]]:
        """List all results, the oldest first."""
        paths = list((self.session.folder / _KIND).glob(f"*/{_RECORD}"))
        records = [self.read(path.parent.name) for path in paths if isinstance(read_json(path), dict)]
        return sorted(records, key=lambda record: record.get("created", 0))

    def mark(self, name: str, marks: Marks) -> dict[str, Any]:
        """Name a direction, or keep it with a star.

        Args:
            name: The result.
            marks: What a person says of one of its directions.

        Returns:
            The result.

        Raises:
            OptionError: If there is no such direction.
            DirectionsError: If another direction has that name, or it cannot be a name.
        """
        record = self.read(name)
        rows = [row for row in record["rows"] if row["index"] == marks.index]
        if not rows:
            raise OptionError(f"there is no direction {marks.index} in {name}")
        if "given" in marks.model_fields_set:
            rows[0]["given"] = (marks.given or "").strip() or None
            name_direction(self.path(name), marks.index, rows[0]["given"] or "")
        if "starred" in marks.model_fields_set:
            rows[0]["starred"] = marks.starred
        return self.update(name, rows=record["rows"])

    def update(self, name: str, **fields: Any) -> dict[str, Any]:
        """Change what is told of a result.

        Args:
            name: The result.
            **fields: What is told instead.

        Returns:
            The result.
        """
        write_json(self.folder(name) / _RECORD, {**self.read(name), **fields})
        return self.read(name)

    def delete(self, name: str) -> None:
        """Delete a result; folders that were saved of it stay.

        Args:
            name: The result.
        """
        self.read(name)
        remove(self.folder(name))

    def path(self, name: str) -> Path:
        """Find the directions of a result.

        Args:
            name: The result.

        Returns:
            The folder that holds `directions.safetensors`.

        Raises:
            UnknownNameError: If there is no such result.
        """
        folder = self.folder(name)
        if not is_file(folder / _DIRECTIONS):
            raise UnknownNameError(f"there is no result {name} in this session")
        return folder

    def shown_path(self, folder: Path) -> Path:
        """Find the folder that commands name for that of a result: the one that it was saved to, if that is unchanged.

        Args:
            folder: The folder of a result.

        Returns:
            A folder that holds the same `directions.safetensors`.
        """
        saved = self.read(folder.name)["folder"]
        same = saved is not None and _same(Path(saved) / _DIRECTIONS, folder / _DIRECTIONS)
        return Path(saved) if same else folder


def _same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def record_of(
    asked: Opened,
    directions: Directions,
    summaries: Sequence[DirectionSummary] = (),
    *,
    title: str | None = None,
    notes: Sequence[str] = (),
    command: str | None = None,
) -> dict[str, Any]:
    """Tell what the page shows of directions.

    Args:
        asked: The model that they are moved in.
        directions: The directions.
        summaries: What was measured of the first of them.
        title: The name of the file that they came in.
        notes: What has to be known about them.
        command: The command that finds them.

    Returns:
        Plain values.
    """
    recorded = directions.provenance
    shown = min(len(directions), _MOST_ROWS)
    return {
        "title": title,
        "model": asked.model,
        "options": asked.options,
        "space": directions.space.name,
        "analyzer": recorded.get("analyzer"),
        "region": recorded.get("region", "all"),
        "count": len(directions),
        "rows": [_row(directions, index, summaries[index : index + 1]) for index in range(shown)],
        "notes": [printable(str(note)) for note in notes],
        "command": command,
        "folder": None,
    }


def _row(directions: Directions, index: int, summaries: Sequence[DirectionSummary]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "index": index,
        "name": None if directions.attributes is None else printable(directions.attributes[index]),
        "given": (directions.given_names[index] or None) if directions.given_names else None,
        "starred": False,
        "score": format_number(float(directions.scores[index])),
        "locality": None,
        "step": None,
        "visible": True,
        "redundant": None,
        "layers": None if directions.layers is None else list(directions.layers),
    }
    for summary in summaries:
        locality = summary.part or summary.unseen or summary.own
        row["name"] = row["name"] if summary.name is None else str(summary.name)
        row["locality"] = None if locality is None else locality.text()
        row["step"] = summary.step
        row["visible"] = summary.reached
        row["redundant"] = None if summary.repeats is None else summary.repeats[0]
    return row
