"""Copying one member out of an archive; nothing else in it is unpacked, and no name in it becomes a path."""

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
from zoo.weights.sources.request import MAX_BYTES

_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, RuntimeError, EOFError, ValueError)
_DECOMPRESSORS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_MAX_READ = 2**26


def copy_member(archive: Path, member: str, target: Path, *, max_bytes: int) -> None:
    """Copy one file out of a zip (a wheel is one) or tar archive.

    Args:
        archive: The archive's path.
        member: The file's name in the archive.
        target: The path to copy it to.
        max_bytes: The largest size that is accepted.

    Raises:
        WeightsError: For a member that is not there, is not a plain file or is too large; for a broken or encrypted
            archive; and for one that unpacks to more than any weights need.
        OSError: If the local disk refuses.
    """
    try:
        if zipfile.is_zipfile(archive):
            _copy_from_zip(archive, member, target, max_bytes)
        else:
            _copy_from_tar(archive, member, target, max_bytes)
    except KeyError:
        raise WeightsError(f"the archive holds no {member}") from None
    except _BROKEN as error:  # a RuntimeError means an encrypted member or an unknown compression
        raise WeightsError(f"the archive cannot be read: {error}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise WeightsError(f"the archive cannot be read: {error}") from None  # bad data in gzip and bz2 has no errno


def _copy_from_zip(archive: Path, member: str, target: Path, max_bytes: int) -> None:
    with zipfile.ZipFile(archive) as opened:
        info = opened.getinfo(member)
        _check_size(member, info.file_size, max_bytes)
        with opened.open(info) as source:
            _copy(source, target)


def _copy_from_tar(archive: Path, member: str, target: Path, max_bytes: int) -> None:
    with archive.open("rb") as file:
        head = file.read(6)
    unpack = next((unpack for magic, unpack in _DECOMPRESSORS.items() if head.startswith(magic)), open)
    with unpack(archive, "rb") as stream:
        try:
            opened = tarfile.open(fileobj=_LimitedStream(stream), mode="r:")  # noqa: SIM115 closed below
        except tarfile.ReadError:
            raise WeightsError("what arrived is neither a zip nor a tar archive") from None
        with opened:
            info = opened.getmember(member)
            if not info.isreg():
                raise WeightsError(f"{member} in the archive is not a plain file")
            _check_size(member, info.size, max_bytes)
            source = opened.extractfile(info)
            assert source is not None  # a regular file has content
            with source:
                _copy(source, target)


class _LimitedStream(io.BufferedIOBase):
    """A stream of unpacked bytes that refuses what only a decompression bomb asks for.

    `tarfile` reads a header of any length at one go, and seeks past members by unpacking them.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MAX_READ:
            raise WeightsError("the archive asks for more memory than any weights need")
        return self.stream.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        if whence or position > 2 * MAX_BYTES:
            raise WeightsError("the archive unpacks to more than any weights need")
        return self.stream.seek(position)

    def tell(self) -> int:
        return self.stream.tell()


def _check_size(member: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise WeightsError(f"{member} is {size:,} bytes, more than the {max_bytes:,} allowed")


def _copy(source: IO[bytes], target: Path) -> None:
    with target.open("wb") as copy:
        shutil.copyfileobj(source, copy, 2**20)
