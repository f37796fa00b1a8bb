"""System calls for which Python has no portable function: renaming that replaces nothing, locks on open files."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1  # of renameat2 in linux/fs.h
_RENAME_EXCL = 4  # of renamex_np in macOS's sys/stdio.h

# What a file system says that cannot rename without replacing, or cannot link.
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK}


# What `flock` says where another process has the lock; anything else means that the file system has no locks.
_BUSY = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}

# Windows locks bytes, which nobody else can read then: one beyond the end of all files that are locked.
_BYTE = 2**20


def rename_new(source: Path, target: Path) -> None:
    """Rename a file or folder to a name that nothing has.

    Args:
        source: The file or folder.
        target: Its new path, on the same file system.

    Raises:
        FileExistsError: If there is anything at `target`, if only an empty folder or a broken link.
        OSError: If the operating system refuses.
    """
    try:
        _exclusive_rename(source, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _rename_carefully(source, target)


def _exclusive_rename(source: Path, target: Path) -> None:
    if os.name == "nt":
        source.rename(target)  # Windows never replaces by this call
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(source), os.fsencode(target)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        failed = libc.renamex_np(*paths, ctypes.c_uint(_RENAME_EXCL))
    elif hasattr(libc, "renameat2"):
        failed = libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], ctypes.c_uint(_RENAME_NOREPLACE))
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(source), None, str(target))


def _rename_carefully(source: Path, target: Path) -> None:
    """Rename without the system call: a file by a link, which never replaces.

    A folder is renamed after a look at the target. What appears there after that look stays too, unless it is an empty
    folder, as `rename` replaces no other.
    """
    if not source.is_dir():
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        else:
            with suppress(OSError):
                source.unlink()
            return
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)


def try_lock(handle: int, *, new: bool = False) -> bool:
    """Lock an open file, if no other has locked it.

    Args:
        handle: The file, opened for writing.
        new: Whether this process has just created the file. Where the file system has no locks, such a file counts as
            locked, and any other as locked by another process.

    Returns:
        Whether this process has the lock.
    """
    try:
        _lock(handle)
    except OSError as error:
        return new and error.errno not in _BUSY
    return True


def same_file(handle: int, path: Path) -> bool:
    """Say whether an open file is the one that a path names now.

    Args:
        handle: The open file.
        path: The path.
    """
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except OSError:
        return False


if os.name == "nt":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        finally:
            os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
