"""Files that are whole or absent: everything that zoo writes goes through here."""

import errno
import glob
import os
import secrets
import shutil
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows: what a killed process left beside its target then stays there
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
    """Turn an operating system's error at a write into one line: where, why, what to do."""
    cause = _CAUSES.get(error.errno or 0, error.strerror or str(error))
    return OutputError(f"cannot write {path}: {cause}; nothing was left there, mend that or choose another place")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a path near `path` to write to; on success it replaces `path` in one step, on failure it is removed.

    Raises `OutputError` where the operating system refuses.
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
    """Wait until a file's content is on the disk. Raises `OSError`."""
    handle = os.open(path, os.O_RDWR)  # Windows flushes only what is open for writing
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class BusyError(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(place: Path, on_wait: Callable[[], None] | None = None, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock beside `place`; where another process has it, call `on_wait` and wait. No lock file is left.

    Raises `BusyError` instead of waiting if `wait` is False, and `OutputError`, `OSError`.
    """
    import filelock

    lock = filelock.FileLock(f"{place}.lock")
    with parents_of(place):
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if not wait:
                raise BusyError from None
            if on_wait is not None:
                on_wait()
            lock.acquire()
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes it itself
                Path(lock.lock_file).unlink()  # while it is held: whoever waits for it sees that it is gone
            lock.release()


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


@contextmanager
def parents_of(path: Path) -> Iterator[None]:
    """Create the folders above `path`; on failure, those that were new and are empty are removed.

    Raises `OutputError` where the operating system refuses to create them.
    """
    missing: list[Path] = []
    try:
        try:
            missing += [parent for parent in path.parents if not parent.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(path, error) from error
        yield
    except BaseException:
        _remove_empty(missing)
        raise


def is_file(path: Path) -> bool:
    """Say whether there is a file at a path; False for a name that cannot be looked up, such as a too long one."""
    return os.path.isfile(path)  # noqa: PTH113 Path.is_file raises for such a name


def is_dir(path: Path) -> bool:
    """Say whether there is a folder at a path; False for a name that the system cannot look up."""
    return os.path.isdir(path)  # noqa: PTH112


def exists(path: Path) -> bool:
    """Say whether there is anything at a path; False for a name that the system cannot look up."""
    return os.path.exists(path)  # noqa: PTH110


@contextmanager
def workspace(path: Path) -> Iterator[Path]:
    """Make a folder beside `path` to work in, and remove it at the end, with those that killed processes left.

    Raises `OutputError`.
    """
    with parents_of(path):
        try:
            _sweep(path)
            work, hold = _new_workspace(path)
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)
                if hold is not None:
                    os.close(hold)
        except OSError as error:
            raise output_error(path, error) from error


def _new_workspace(path: Path) -> tuple[Path, int | None]:
    while True:
        work = path.parent / f"{_prefix(path)}{secrets.token_hex(4)}.partial"
        work.mkdir()
        try:
            hold = _hold(work)
        except BaseException:
            work.rmdir()
            raise
        if work.exists():  # else another process took it for a dead one's before it was held
            return work, hold
        if hold is not None:
            os.close(hold)


def _sweep(path: Path) -> None:
    """Remove what killed processes left beside `path`; a folder that one of them had put aside gets its name back."""
    if fcntl is None:
        return
    sweep_dead(path.parent, glob.escape(_prefix(path)))
    for old in path.parent.glob(glob.escape(_prefix(path)) + "*.old"):
        if old.with_suffix(".partial").exists():
            continue
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(path)


def sweep_dead(folder: Path, prefix: str = ".") -> None:
    """Remove the work folders of killed processes from a folder. Raises `OSError`."""
    for work in folder.glob(prefix + "*.partial"):
        hold = _hold(work)
        if hold is not None:
            shutil.rmtree(work, ignore_errors=True)
            os.close(hold)


def _hold(work: Path) -> int | None:
    """Mark a folder as in use for as long as this process lives and the handle is open; None where another has it."""
    if fcntl is None:
        return None
    try:
        handle = os.open(work, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by another process, or on a file system without locks: then nothing is ever swept
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


def _take_name(partial: Path, folder: Path) -> None:
    """Rename `partial` to `folder`, putting an older folder of that name aside until it is done."""
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
