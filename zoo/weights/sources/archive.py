"""Copying one member out of an archive; nothing else in it is unpacked, and no name in it becomes a path."""

from __future__ import annotations

import errno
import io
import shutil
import zipfile
from pathlib import Path
from typing import IO, Any

from zoo._utils.untrusted.opening import read_head
from zoo._utils.untrusted.tarfiles import is_tar, tar_members
from zoo._utils.untrusted.unpacking import BROKEN, COMPRESSIONS, BombError, BoundedStream, open_zip
from zoo.errors import WeightsError

_HEAD_BYTES = 512


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
    except (BombError, *BROKEN) as error:  # a RuntimeError means an encrypted member or an unknown compression
        raise WeightsError(f"the archive cannot be read: {error}") from None
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # a zip archive may ask for a place before its beginning
            raise
        raise WeightsError(f"the archive cannot be read: {error}") from None  # bad data in gzip and bz2 has no errno


def _copy_from_zip(archive: Path, member: str, target: Path, max_bytes: int) -> None:
    with open_zip(archive) as opened:
        info = opened.getinfo(member)
        _check_size(member, info.file_size, max_bytes)
        with opened.open(info) as source:
            _copy(source, target)


def _copy_from_tar(archive: Path, member: str, target: Path, max_bytes: int) -> None:
    head = read_head(archive, _HEAD_BYTES)
    opened: Any = next((opened for magic, (_, opened) in COMPRESSIONS.items() if head.startswith(magic)), open)
    with opened(archive, "rb") as stream:
        if not is_tar(stream.read(_HEAD_BYTES)):
            raise WeightsError("what arrived is neither a zip nor a tar archive")
    with opened(archive, "rb") as stream:
        for one in tar_members(BoundedStream(stream, archive.stat().st_size)):
            if one.name != member:
                continue
            if not one.is_file:
                raise WeightsError(f"{member} in the archive is not a plain file")
            _check_size(member, one.size, max_bytes)
            _copy(one.content, target)
            return
    raise KeyError(member)


def _check_size(member: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise WeightsError(f"{member} is {size:,} bytes, more than the {max_bytes:,} allowed")


def _copy(source: IO[bytes] | io.BufferedIOBase, target: Path) -> None:
    with target.open("wb") as copy:
        shutil.copyfileobj(source, copy, 2**20)
