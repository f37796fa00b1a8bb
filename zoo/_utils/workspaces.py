"""Temporary folders beside a target path: work is done there, and the result takes the target's name in one step.

A workspace is marked as in use by a lock on the folder itself, which the operating system releases when the process
ends. So what killed processes left can be distinguished from what is in use, and removed.
"""

import errno
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.errors import OutputError

try:
    import fcntl
except ImportError:  # on Windows, what a killed process left stays there
    fcntl = None  # type: ignore[assignment]

_CAUSES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than this system allows",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a part of the path is a file, not a folder",
    errno.EISDIR: "it is a folder",
    errno.ENAMETOOLONG: "the name is too long",
}


def output_error(path: Path, error: OSError) -> OutputError:
    """Turn the operating system's error at a write into one line: where, why, what to do.

    Args:
        path: What was to be written.
        error: What the operating system said.

    Returns:
        The exception, for the caller to raise.
    """
    cause = _CAUSES.get(error.errno or 0, error.strerror or str(error))
    return OutputError(f"cannot write {path}: {cause}; nothing was left there, mend that or choose another place")


@contextmanager
def parents_of(path: Path) -> Iterator[None]:
    """Create the folders above a path; on failure, remove those that were created and are empty.

    Args:
        path: The path whose parents are needed.

    Raises:
        OutputError: If the operating system refuses to create them.
    """
    created: list[Path] = []
    try:
        try:
            created += [parent for parent in path.parents if not parent.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(path, error) from error
        yield
    except BaseException:
        _remove_empty(created)
        raise


@contextmanager
def workspace(path: Path) -> Iterator[Path]:
    """Make a folder beside a path to work in, and remove it afterwards, along with those that killed processes left.

    Args:
        path: What is to be written; its parents are created.

    Yields:
        The empty folder, on the same file system as `path`.

    Raises:
        OutputError: If the operating system refuses, here or inside the ``with`` block.
    """
    with parents_of(path):
        try:
            _recover(path)
            work, handle = _new_workspace(path)
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)
                if handle is not None:
                    os.close(handle)
        except OSError as error:
            raise output_error(path, error) from error


def remove_abandoned(folder: Path, prefix: str = ".") -> None:
    """Remove the workspaces of killed processes from a folder.

    Args:
        folder: The folder to look in.
        prefix: What their names begin with, as a pattern of `glob`.

    Raises:
        OSError: If the operating system refuses.
    """
    for work in folder.glob(prefix + "*.partial"):
        handle = _lock_folder(work)
        if handle is not None:
            shutil.rmtree(work, ignore_errors=True)
            os.close(handle)


def _new_workspace(path: Path) -> tuple[Path, int | None]:
    while True:
        work = path.parent / f"{_prefix(path)}{secrets.token_hex(4)}.partial"
        work.mkdir()
        try:
            handle = _lock_folder(work)
        except BaseException:
            work.rmdir()
            raise
        if work.exists():  # else another process took it for an abandoned one before it was locked
            return work, handle
        if handle is not None:
            os.close(handle)


def _recover(path: Path) -> None:
    """Remove what killed processes left beside a path; an older folder that one had set aside gets its name back."""
    if fcntl is None:
        return
    remove_abandoned(path.parent, glob.escape(_prefix(path)))
    for old in path.parent.glob(glob.escape(_prefix(path)) + "*.old"):
        if old.with_suffix(".partial").exists():
            continue
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(path)


def _lock_folder(work: Path) -> int | None:
    """Lock a folder for as long as this process lives and the returned handle is open; None if another has it."""
    if fcntl is None:
        return None
    try:
        handle = os.open(work, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked by another process, or the file system has no locks: then nothing is ever removed
        os.close(handle)
        return None
    return handle


def _prefix(path: Path) -> str:
    return f".{path.name[:80]}."


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return
