"""Unpacking archives and compressed files of others, which may claim and unpack to anything.

`zipfile` makes an object of each member before anybody can count them, and decompressors go on for as long as they are
asked.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from zoo._utils.untrusted.opening import open_regular

# The first bytes of compressed files, what they are called, and what opens them.
COMPRESSIONS: dict[bytes, tuple[str, Callable[..., Any]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ": ("xz", lzma.open),
}
# What archives and compressed files that are broken or encrypted raise.
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, EOFError, ValueError)

# An archive may unpack to so many times its size, and so many bytes more. Weights hardly shrink when they are packed.
MAX_RATIO = 20
_MAX_BYTES_MORE = 2**26

_MOST_MEMBERS = 20_000
# Bytes of the list of members at the end of an archive, which is read at one go: 200,000 of them at most.
_MOST_LISTED = 2**23
_REFUSAL = "it is an archive of more members than any model needs"


class DirectoryReader(io.BufferedReader):
    """A regular file that may be a zip archive, whose list of members is bounded until `end_of_list` is called."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Args:
            path: The file.

        Raises:
            OSError: See `zoo._utils.untrusted.opening.open_regular`.
        """
        super().__init__(open_regular(path).detach())  # type: ignore[attr-defined]
        self._is_bounded = True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file does, but not more than a list of members may have."""
        if not self._is_bounded:
            return super().read(size)
        content = super().read(_MOST_LISTED + 1 if size is None or size < 0 else min(size, _MOST_LISTED + 1))
        if len(content) > _MOST_LISTED:
            raise zipfile.BadZipFile(_REFUSAL)
        return content

    def end_of_list(self, archive: zipfile.ZipFile) -> None:
        """Count the members of the archive that was opened, and let the rest be read.

        Args:
            archive: The archive.

        Raises:
            zipfile.BadZipFile: If it has too many members.
        """
        self._is_bounded = False
        if len(archive.infolist()) > _MOST_MEMBERS:
            raise zipfile.BadZipFile(_REFUSAL)


class BombError(Exception):
    """An archive unpacks to much more than its size."""

    def __init__(self) -> None:
        super().__init__(f"it unpacks to more than {MAX_RATIO} times its size")


def most_unpacked(size: int) -> int:
    """Return how many bytes an archive may unpack to.

    Args:
        size: Bytes of the archive.
    """
    return MAX_RATIO * size + _MAX_BYTES_MORE


class BoundedStream(io.BufferedIOBase):
    """A stream of unpacked bytes that raises `BombError` where only a decompression bomb goes on."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        """Wrap a stream.

        Args:
            stream: The stream.
            size: Bytes of the file that it is unpacked from.
        """
        self._stream = stream
        self._left = most_unpacked(size)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any stream does."""
        content = self._stream.read(self._left + 1 if size is None or size < 0 else min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise BombError
        return content


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive that is a regular file of not too many members.

    Args:
        path: The archive.

    Yields:
        The archive.

    Raises:
        zipfile.BadZipFile: If it is broken, or has too many members.
        OSError: If it cannot be read, or is no regular file.
    """
    with DirectoryReader(path) as file, zipfile.ZipFile(file) as archive:
        file.end_of_list(archive)
        yield archive
