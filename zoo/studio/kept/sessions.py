"""A session's folder: everything that was found, uploaded or named in it, so that a restarted studio finds it again."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo._utils.files import atomic_file
from zoo._utils.lookups import is_file
from zoo._utils.writing.workspaces import output_error
from zoo.errors import OptionError, UnknownNameError

# The folder under that of the runs which is the studio's own.
STUDIO = "studio"

_SESSION = re.compile(r"[0-9a-f]{32}")
# Names of the files of pictures hold the sign of a strength.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,119}")


@dataclass(frozen=True)
class Session:
    """One session.

    Attributes:
        id: What it is called.
        runs: The folder of all runs.
    """

    id: str
    runs: Path

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return self.runs / STUDIO / self.id

    def place(self, kind: str, name: str) -> Path:
        """Return the path of something in the session.

        Args:
            kind: What it is, such as ``results``.
            name: What it is called; from a request, so that anything but a plain name is refused.

        Returns:
            The path, whether there is something or not.

        Raises:
            UnknownNameError: If that is no name that the studio gives.
        """
        place = self.folder / kind / plain_name(name)
        _refuse_links(place.parent, place)
        return place

    def read_state(self) -> dict[str, Any]:
        """Read what the page keeps; nothing in a new session."""
        state = read_json(self.folder / "state.json")
        return state if isinstance(state, dict) else {}

    def write_state(self, state: Any) -> None:
        """Write what the page keeps.

        Args:
            state: A JSON object.

        Raises:
            OptionError: If it is something else.
        """
        if not isinstance(state, dict):
            raise OptionError("the state is a JSON object")
        write_json(self.folder / "state.json", state)


def open_session(name: str, runs: Path) -> Session:
    """Open a session, which need not exist yet.

    Args:
        name: 32 hexadecimal digits that the page has drawn.
        runs: The folder of all runs.

    Returns:
        The session.

    Raises:
        UnknownNameError: If that is no name of a session.
    """
    if not is_session(name):
        raise UnknownNameError("a session is called by 32 hexadecimal digits")
    session = Session(name, runs)
    _refuse_links(session.folder)
    return session


def _refuse_links(*places: Path) -> None:
    """Refuse links below the studio's folder, which it never makes: they would lead out of it."""
    for place in places:
        if place.is_symlink():
            raise UnknownNameError(f"{place.name} is a link, which the studio does not follow")


def is_session(name: str) -> bool:
    """Tell whether a folder is called as sessions are.

    Args:
        name: The name of a folder.

    Returns:
        Whether it is.
    """
    return _SESSION.fullmatch(name) is not None


def plain_name(name: str) -> str:
    """Refuse whatever could lead out of a folder.

    Args:
        name: A name of a request.

    Returns:
        The name.

    Raises:
        UnknownNameError: If it is none that the studio gives.
    """
    if not _NAME.fullmatch(name):
        raise UnknownNameError("a name has letters, digits, '.', '_', '+' and '-', and does not begin with '.' or '-'")
    return name


def short_hash(content: bytes) -> str:
    """Name content by its hash.

    Args:
        content: Any bytes.

    Returns:
        16 hexadecimal digits.
    """
    return hashlib.sha256(content).hexdigest()[:16]


def read_json(path: Path) -> Any:
    """Read a JSON file of the studio.

    Args:
        path: The file.

    Returns:
        Its value; None where there is none, or it cannot be read.
    """
    with suppress(OSError, ValueError, RecursionError):
        return json.loads(path.read_text(encoding="utf-8"))
    return None


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, completely or not at all.

    Args:
        path: The file.
        value: Plain values.

    Raises:
        OutputError: If the operating system refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as partial:
            partial.write_text(json.dumps(value), encoding="utf-8")
    except OSError as error:
        raise output_error(path, error) from None


def remove(path: Path) -> None:
    """Delete a file or folder of the studio, if it is there.

    Args:
        path: Its path.
    """
    with suppress(OSError):
        path.unlink() if is_file(path) else shutil.rmtree(path)
