"""Temporary folders beside a target path: work is done there, and the result takes the target's name in one step.

::

    .NAME.TOKEN.partial/lock    what shows that zoo made the folder; locked for as long as its process lives
                        new     what is being written
                        old     what it replaces, set aside until the new one has its name

The operating system releases the lock when the process ends. So what killed processes left is distinguished from what
is in use, and is removed. A folder without that file, whatever its name, was not made by zoo and is left alone.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.writing.system_calls import same_file, try_lock
from zoo.errors import OutputError

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
_LOCK = "lock"
_MARK = b"zoo workspace/1\n"
_TOKEN = re.compile(r"\.[0-9a-f]{8}\.partial")

# Bytes of a target's name that stand in the name of its workspace.
_NAME_BYTES = 80


def output_error(path: Path, error: OSError) -> OutputError:
    """Turn the operating system's error at a write into one line: where, why, what to do.

    Args:
        path: What was to be written.
        error: What the operating system said.

    Returns:
        The exception, for the caller to raise.
    """
    return OutputError(
        f"cannot write {path}: {cause_of(error)}; nothing was left there, mend that or choose another place"
    )


def cause_of(error: OSError) -> str:
    """Say in a few words why the operating system refused a write.

    Args:
        error: What it said.
    """
    return _CAUSES.get(error.errno or 0, error.strerror or str(error))


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's errors into those of `output_error`.

    Args:
        path: What is written.

    Raises:
        OutputError: If the operating system refuses something.
    """
    try:
        yield
    except OSError as error:
        raise output_error(path, error) from error


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
        with write_errors(path):
            created += [parent for parent in path.parents if not parent.exists()]
            for parent in reversed(created):  # one by one: `parents=True` calls itself for each, which has an end
                parent.mkdir(exist_ok=True)
        yield
    except BaseException:
        _remove_empty(created)
        raise


@dataclass
class Workspace:
    """A folder beside a target, locked by this process.

    Attributes:
        folder: The folder.
        handle: The open file that is locked; None once it is released.
    """

    folder: Path
    handle: int | None

    @property
    def new(self) -> Path:
        """What is being written."""
        return self.folder / "new"

    @property
    def old(self) -> Path:
        """What is replaced, set aside. Without a `new` beside it, its successor has its name already."""
        return self.folder / "old"

    def remove(self) -> None:
        """Delete the folder, last the file that shows whose it is, and release the lock.

        Where something is still set aside, it stays for the next process that writes the same target.
        """
        if self.handle is None or os.path.lexists(self.old):
            self.release()
            return
        if self.new.is_dir():
            shutil.rmtree(self.new, ignore_errors=True)
        else:
            with suppress(OSError):
                self.new.unlink()
        self.disown()
        with suppress(OSError):
            self.folder.rmdir()

    def disown(self) -> None:
        """Release the folder and leave what is in it to the user: zoo will not delete it."""
        if os.name == "nt":
            self.release()
        with suppress(OSError):
            (self.folder / _LOCK).unlink()
        if os.name != "nt":  # released last, so that nobody takes it over meanwhile; Windows deletes no open file
            self.release()

    def release(self) -> None:
        """Release the lock."""
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


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
    with parents_of(path), write_errors(path):
        remove_abandoned(path.parent, f"{glob.escape(prefix_of(path))}*")
        work = _new_workspace(path)
        try:
            work.new.mkdir()
            yield work.new
        finally:
            work.remove()


def remove_abandoned(folder: Path, pattern: str = ".*") -> None:
    """Remove the workspaces of killed processes from a folder; those that hold something set aside stay.

    Args:
        folder: The folder to look in.
        pattern: What their names begin with, as a pattern of `glob`.

    Raises:
        OSError: If the operating system refuses.
    """
    for path in folder.glob(f"{pattern}.partial"):
        work = take_over(path)
        if work is not None:
            work.remove()
        elif _TOKEN.search(path.name):  # a process was killed before it wrote the first file
            with suppress(OSError):
                path.rmdir()


def take_over(folder: Path) -> Workspace | None:
    """Lock the workspace of a process that has ended.

    Args:
        folder: Its path.

    Returns:
        The workspace; None if a process is at work in it, if zoo did not make it, or if it is gone.
    """
    if folder.is_symlink():
        return None
    lock = folder / _LOCK
    try:
        handle = os.open(lock, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    if try_lock(handle) and same_file(handle, lock) and _is_marked(handle, folder):
        return Workspace(folder, handle)
    os.close(handle)
    return None


def make(folder: Path) -> Workspace | None:
    """Make a workspace and lock it.

    Args:
        folder: Its path.

    Returns:
        The workspace; None if there is a folder already, or another process has taken this one for an abandoned one.

    Raises:
        OSError: If the operating system refuses.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        return None
    lock = folder / _LOCK
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except FileNotFoundError:
        return None
    except BaseException:
        folder.rmdir()
        raise
    work = Workspace(folder, handle)
    try:
        locked = try_lock(handle, new=True) and same_file(handle, lock)
        if locked:
            os.write(handle, _MARK)
            return work
    except BaseException:
        work.remove()
        raise
    work.release()
    return None


def prefix_of(path: Path) -> str:
    """Begin the name of a target's workspaces.

    Args:
        path: The target.
    """
    return f".{os.fsencode(path.name)[:_NAME_BYTES].decode('utf-8', 'ignore')}."


def _new_workspace(path: Path) -> Workspace:
    while True:
        work = make(path.parent / f"{prefix_of(path)}{secrets.token_hex(4)}.partial")
        if work is not None:
            return work


def _is_marked(handle: int, folder: Path) -> bool:
    """Say whether a lock file has zoo's mark, or is the first thing that a process wrote before it was killed."""
    content = os.read(handle, len(_MARK) + 1)
    return content == _MARK or (not content and [path.name for path in folder.iterdir()] == [_LOCK])


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return
