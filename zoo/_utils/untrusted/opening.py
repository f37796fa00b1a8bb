"""Opening a file that a user names, which may be untrusted: regular files only, and no more of it than is asked for.

Reading a FIFO waits for somebody to write, and devices such as ``/dev/zero`` never end. So what is opened is looked at
first, and everything that reads a file as a whole says how large it may be.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "it is a pipe, not a file: save what comes through it to a file, and name that",
    stat.S_IFCHR: "it is a device, not a file",
    stat.S_IFBLK: "it is a device, not a file",
    stat.S_IFSOCK: "it is a socket, not a file",
}


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file to read it; a link to one is followed.

    Args:
        path: The file.

    Returns:
        The open file.

    Raises:
        OSError: If the operating system refuses, or it is a folder, a pipe or a device; `strerror` says which.
    """
    # A FIFO is opened without waiting for whoever writes, so that it can be told from a file. Windows has no such flag.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        kind = stat.S_IFMT(os.fstat(handle).st_mode)
        if kind != stat.S_IFREG:
            raise OSError(errno.EINVAL, _KINDS.get(kind, "it is no regular file"), str(path))
    except BaseException:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def require_regular(path: Path) -> None:
    """Refuse what is no regular file, before it is given to a library that opens it by its name.

    Args:
        path: The file.

    Raises:
        OSError: See `open_regular`.
    """
    open_regular(path).close()


def why_no_file(path: Path) -> str | None:
    """Say what keeps a path from being a file that can be read, before anything is done.

    Args:
        path: The path.

    Returns:
        The reason in a few words; None for a regular file.
    """
    try:
        require_regular(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return "there is no such file"
    except OSError as error:
        return "there is no such file" if error.errno == errno.ENAMETOOLONG else error.strerror or str(error)
    return None


def read_head(path: Path, count: int) -> bytes:
    """Read the first bytes of a regular file.

    Args:
        path: The file.
        count: How many bytes.

    Returns:
        The bytes, fewer if the file has fewer.

    Raises:
        OSError: See `open_regular`.
    """
    with open_regular(path) as file:
        return file.read(count)


def read_bounded(path: Path, most: int) -> bytes:
    """Read a whole regular file.

    Args:
        path: The file.
        most: How many bytes it may have.

    Returns:
        Its content.

    Raises:
        OSError: See `open_regular`; or if it has more bytes.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size or most + 1) if size <= most else b""  # files of /proc state a size of 0
    if max(size, len(content)) > most:
        raise OSError(errno.EINVAL, f"it has more than {most:,} bytes", str(path))
    return content
