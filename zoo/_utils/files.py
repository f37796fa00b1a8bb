"""Atomic writing: a file or folder is complete or absent. Everything that zoo writes goes through here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo._utils.writing.claims import Replaceable, claim
from zoo._utils.writing.workspaces import workspace, write_errors


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it replaces the target in one step, on failure it is removed.

    Args:
        path: The target; its parents are created.

    Yields:
        A path on the same file system, at which there is no file yet.

    Raises:
        OutputError: If the operating system refuses.
    """
    with workspace(path) as work:
        partial = work / path.name
        yield partial
        flush(partial)
        partial.replace(path)


@contextmanager
def new_file(path: Path, *, force: bool = False, replaceable: Replaceable | None = None) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it gets the target's name, which is claimed until then.

    Args:
        path: The target; its parents are created.
        force: Replace a file that is there, as far as `replaceable` allows.
        replaceable: Which files may be replaced.

    Yields:
        A path on the same file system, at which there is no file yet.

    Raises:
        OutputError: If the name is not to be had, or the operating system refuses.
    """
    with claim(path, force=force, replaceable=replaceable) as claimed:
        with write_errors(path):
            yield claimed.work.new
            flush(claimed.work.new)
        claimed.place()


@contextmanager
def atomic_folder(folder: Path, *, force: bool = False, replaceable: Replaceable | None = None) -> Iterator[Path]:
    """Yield an empty folder beside `folder` to fill; on success it takes that name, on failure it is removed.

    An existing `folder` is replaced only once the new one is complete.

    Args:
        folder: The folder to make.
        force: Replace an existing folder, as far as `replaceable` allows.
        replaceable: Which folders may be replaced.

    Raises:
        OutputError: If the folder exists and may not be replaced, or the operating system refuses.
    """
    with claim(folder, force=force, replaceable=replaceable) as claimed:
        with write_errors(folder):
            claimed.work.new.mkdir()
            yield claimed.work.new
            for file in claimed.work.new.rglob("*"):
                if file.is_file():
                    flush(file)
        claimed.place()


def flush(path: Path) -> None:
    """Wait until a file's content is on the disk.

    Args:
        path: The file.

    Raises:
        OSError: If the operating system refuses.
    """
    handle = os.open(path, os.O_RDWR)  # Windows flushes only what is open for writing
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
