"""One member of an archive, copied out; nothing else in it is unpacked, and no name in it becomes a path."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from zoo.errors import WeightsError

_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, RuntimeError, EOFError, ValueError)


def copy_member(archive: Path, member: str, target: Path, *, most: int) -> None:
    """Copy a file out of a zip (a wheel is one) or tar archive. Raises `WeightsError`, `OSError`.

    Refused: a member that is not there or is no plain file, one of more than `most` bytes, a broken or encrypted
    archive.
    """
    try:
        if zipfile.is_zipfile(archive):
            _from_zip(archive, member, target, most)
        elif tarfile.is_tarfile(archive):
            _from_tar(archive, member, target, most)
        else:
            raise WeightsError("what arrived is neither a zip nor a tar archive")
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
    with tarfile.open(archive) as opened:
        found = opened.getmember(member)
        if not found.isreg():
            raise WeightsError(f"{member} in the archive is no plain file")
        _allow(member, found.size, most)
        source = opened.extractfile(found)
        assert source is not None  # a regular file has content
        with source:
            _copy(source, target)


def _allow(member: str, size: int, most: int) -> None:
    if size > most:
        raise WeightsError(f"{member} is {size:,} bytes, more than the {most:,} allowed")


def _copy(source: IO[bytes], target: Path) -> None:
    with target.open("wb") as copy:
        shutil.copyfileobj(source, copy, 2**20)
