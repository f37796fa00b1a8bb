"""Atomic writing: a file or folder is complete or absent. Everything that zoo writes goes through here."""

import os
import shutil
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo._utils.workspaces import output_error, workspace
from zoo.errors import OutputError


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
def atomic_folder(folder: Path, *, force: bool = False, replaceable: Container[str] = frozenset()) -> Iterator[Path]:
    """Yield an empty folder beside `folder` to fill; on success it takes that name, on failure it is removed.

    An existing `folder` is replaced only once the new one is complete.

    Args:
        folder: The folder to make.
        force: Replace an existing folder, as `refuse_existing` allows.
        replaceable: The file names that a replaced folder may hold.

    Raises:
        OutputError: If the folder exists and may not be replaced, or the operating system refuses.
    """
    refuse_existing(folder, force=force, replaceable=replaceable)
    with workspace(folder) as work:
        yield work
        for file in work.rglob("*"):
            if file.is_file():
                flush(file)
        _take_name(work, folder)


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


def refuse_existing(folder: Path, *, force: bool, replaceable: Container[str]) -> None:
    """Refuse a folder that exists and may not be replaced.

    Args:
        folder: The folder that is to be written.
        force: Allow a folder to be replaced whose every entry is `replaceable`.
        replaceable: The file names that a replaced folder may hold.

    Raises:
        OutputError: If the folder exists and may not be replaced.
    """
    if not os.path.lexists(folder):
        return
    try:
        wanted = folder.is_dir() and not folder.is_symlink()
        entries = sorted(entry.name for entry in folder.iterdir()) if wanted else None
    except OSError as error:
        raise output_error(folder, error) from error
    if not force:
        raise OutputError(f"{folder} exists: pass --force (from Python, force=True) to replace it, or another --out")
    if entries is None:
        raise OutputError(f"{folder} is not a folder: --force replaces only folders, pass another --out")
    strange = [name for name in entries if name not in replaceable]
    if strange:
        raise OutputError(
            f"{folder} holds {strange[0]!r}, which zoo did not write: --force will not delete it, pass another --out"
        )


def is_file(path: Path) -> bool:
    """Say whether there is a file at a path; False for a name that the system cannot look up, such as a too long one.

    Args:
        path: The path.
    """
    return os.path.isfile(path)  # noqa: PTH113 Path.is_file raises for such a name


def is_dir(path: Path) -> bool:
    """Say whether there is a folder at a path; False for a name that the system cannot look up.

    Args:
        path: The path.
    """
    return os.path.isdir(path)  # noqa: PTH112


def exists(path: Path) -> bool:
    """Say whether there is anything at a path; False for a name that the system cannot look up.

    Args:
        path: The path.
    """
    return os.path.exists(path)  # noqa: PTH110


def _take_name(partial: Path, folder: Path) -> None:
    """Rename `partial` to `folder`, setting an older folder of that name aside until that is done."""
    if not folder.exists():
        partial.rename(folder)
        return
    old = partial.with_suffix(".old")
    try:
        folder.rename(old)
        partial.rename(folder)
    except BaseException:  # Ctrl-C too
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
