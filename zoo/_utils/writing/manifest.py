"""The list of the files that zoo wrote into a folder, by which it knows later what is its own there."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo._utils.files import atomic_file
from zoo._utils.writing.claims import Replaceable
from zoo.errors import OutputError

NAME = ".zoo-run.json"

_FORMAT = "zoo-run/1"
_MOST_BYTES = 2**26  # a hundred thousand pictures take a fifth of that
_BLOCK_BYTES = 2**20


def write_manifest(folder: Path) -> None:
    """List every file of a folder with its size and hash, in the file `NAME` in it.

    Args:
        folder: The folder.

    Raises:
        OSError: If the operating system refuses.
    """
    files = {name: _describe(folder / name) for name in sorted(_files(folder, folder)) if name != NAME}
    (folder / NAME).write_text(_as_text(files), encoding="utf-8")


@contextmanager
def refreshed(file: Path) -> Iterator[None]:
    """Keep a folder's list right while zoo itself changes a file in it.

    A file that is not in the list, or that was changed by someone else, stays as little zoo's own as it was.

    Args:
        file: The file; the body of the ``with`` statement changes it.

    Raises:
        OutputError: If the operating system refuses.
    """
    listed = _read(file.parent)
    own = file.name in listed and _describe(file) == listed[file.name]
    yield
    if own:
        listed[file.name] = _describe(file)
        with atomic_file(file.parent / NAME) as partial:
            partial.write_text(_as_text(listed), encoding="utf-8")


def check_run_folder(folder: Path, shown: Path) -> None:
    """Refuse to replace a folder that holds anything but the files that zoo wrote, as it wrote them.

    Args:
        folder: The folder.
        shown: What it is called in the message.

    Raises:
        OutputError: If it is no folder, or something in it is not zoo's.
        OSError: If it cannot be read.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise OutputError(f"{shown} is not a folder: --force replaces only folders, pass another --out")
    listed = _read(folder)
    for name in sorted(_files(folder, shown)):
        if name == NAME and listed:
            continue
        if name not in listed:
            raise OutputError(
                f"{shown} holds {name!r}, which zoo did not write: --force will not delete it, pass another --out"
            )
        if _describe(folder / name) != listed[name]:
            raise OutputError(
                f"{shown} holds {name!r}, which was changed after zoo wrote it: --force will not delete it, "
                "pass another --out"
            )


def delete_run_folder(folder: Path) -> None:
    """Delete the listed files of a folder, and the folder if nothing else is in it.

    Args:
        folder: A folder that `check_run_folder` has just allowed to delete.

    Raises:
        OSError: If something else is in it.
    """
    for name in _read(folder):
        (folder / name).unlink(missing_ok=True)
    (folder / NAME).unlink(missing_ok=True)
    folder.rmdir()


RUN_FOLDER = Replaceable(check_run_folder, delete_run_folder)


def _as_text(files: dict[str, dict[str, Any]]) -> str:
    return json.dumps({"format": _FORMAT, "files": files}, indent=0)


def _files(folder: Path, shown: Path) -> list[str]:
    """List the names in a folder; what is not a plain file is not zoo's."""
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_file(follow_symlinks=False):
                kind = "a folder" if entry.is_dir(follow_symlinks=False) else "no file"
                raise OutputError(
                    f"{shown} holds {entry.name!r}, {kind}, which zoo did not write: --force will not delete it, "
                    "pass another --out"
                )
            names.append(entry.name)
    return names


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the list of a folder; it is empty where there is none, or none that zoo wrote."""
    try:
        with (folder / NAME).open("rb") as file:
            content = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    files = content.get("files") if isinstance(content, dict) and content.get("format") == _FORMAT else None
    if not isinstance(files, dict) or not all(map(_is_name, files)):
        return {}
    return files


def _is_name(name: str) -> bool:
    return re.fullmatch(r"[^/\\\0]+", name) is not None and name not in {".", "..", NAME}


def _describe(file: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return {"bytes": size, "sha256": digest.hexdigest()}
