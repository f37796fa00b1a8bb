"""Locks between processes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo._utils.writing.workspaces import parents_of


class BusyError(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] | None = None, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock beside a path, in the file ``PATH.lock``, which is removed afterwards.

    Args:
        path: What is locked; its parents are created.
        on_wait: Called once if another process holds the lock, before waiting for it.
        wait: Whether to wait for another process.

    Raises:
        BusyError: If another process holds the lock and `wait` is False.
        OutputError: If the parents cannot be created.
        OSError: If the lock file cannot be written.
    """
    import filelock

    lock = filelock.FileLock(f"{path}.lock")
    with parents_of(path):
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
                # It is removed while the lock is held: a process that waits for it notices that the file is gone.
                Path(lock.lock_file).unlink()
            lock.release()
