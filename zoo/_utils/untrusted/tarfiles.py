"""Reading tar archives of others, member by member, in time and memory that do not depend on what they claim.

Python's `tarfile` keeps an object of each member, and before 3.11.10 takes the square of the length of a number in an
extended header (CVE-2024-6232). Of the format (POSIX.1-2017, pax, and GNU tar), this knows plain files and their names.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

_MOST_MEMBERS = 20_000
_BLOCK = 512
_MOST_EXTENDED = 2**20  # bytes of an extended header, which holds the names of one member
_MOST_DIGITS = 20
_SKIPPED = 2**20  # bytes that are skipped at a time where a stream cannot seek

_FILE = {b"0", b"\0", b"7"}
_WITHOUT_CONTENT = {b"1", b"2", b"3", b"4", b"5", b"6"}  # links, devices, folders and pipes, whatever their size says
_SPARSE = b"S"
_LONG_NAME, _LONG_LINK, _PAX, _PAX_OF_ALL = b"L", b"K", b"x", b"g"


class BrokenTarError(ValueError):
    """An archive is damaged, or has more members than any model needs; the message says which."""


class Readable(Protocol):
    """What an archive is read from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class TarMember:
    """A member of a tar archive, while the archive stands at its content.

    Attributes:
        name: Its name, which is never used as a path.
        size: Bytes of its content.
        is_file: Whether it is a plain file: no folder, no link, no device and not sparse.
        content: Its content, to be read before the next member is asked for.
    """

    name: str
    size: int
    is_file: bool
    content: io.BufferedIOBase


class _Content(io.BufferedIOBase):
    """A part of a stream."""

    def __init__(self, stream: Readable, size: int) -> None:
        self._stream = stream
        self.left = size

    def read(self, size: int | None = -1, /) -> bytes:
        content = self._stream.read(self.left if size is None or size < 0 else min(size, self.left))
        if not content and self.left and size != 0:
            raise BrokenTarError("it ends within a member")
        self.left -= len(content)
        return content


def is_tar(head: bytes) -> bool:
    """Say whether a file begins as tar archives of the last forty years do.

    Args:
        head: Its first bytes, 262 at least.
    """
    return head[257:262] == b"ustar"


def tar_members(stream: Readable) -> Iterator[TarMember]:
    """Read an archive from its beginning to its end.

    Args:
        stream: The archive, unpacked. It is only read forwards.

    Yields:
        Each member, folders and links too.

    Raises:
        BrokenTarError: If the archive is damaged, or has too many members.
    """
    name, pax = "", dict[str, str]()
    for _ in range(2 * _MOST_MEMBERS):
        header = _read_fully(stream, _BLOCK, may_end=True)
        if not header.strip(b"\0"):
            return
        kind, size = header[156:157], _number(header[124:136])
        if _number(header[148:156]) != sum(header[:148]) + 8 * 32 + sum(header[156:]):
            raise BrokenTarError("a checksum in it is wrong")
        if kind in {_LONG_NAME, _LONG_LINK, _PAX, _PAX_OF_ALL}:
            if size > _MOST_EXTENDED:
                raise BrokenTarError("a header in it is longer than any name")
            text = _read_fully(stream, size + -size % _BLOCK)[:size]
            name = _text(text) if kind == _LONG_NAME else name
            pax = _pax_fields(text) if kind == _PAX else pax
            continue
        if kind == _SPARSE:
            raise BrokenTarError("a member in it is sparse: pack it again without --sparse")
        if "size" in pax:
            size = _number(pax["size"].encode(), base=10)
        size = 0 if kind in _WITHOUT_CONTENT else size
        prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
        plain_name = "/".join(filter(None, (prefix, _text(header[:100]))))
        is_sparse = any(key.startswith("GNU.sparse") for key in pax)
        content = _Content(stream, size)
        yield TarMember(pax.get("path") or name or plain_name, size, kind in _FILE and not is_sparse, content)
        _skip(stream, content.left + -size % _BLOCK)
        name, pax = "", {}
    raise BrokenTarError("it is an archive of more members than any model needs")


def _read_fully(stream: Readable, size: int, *, may_end: bool = False) -> bytes:
    content = b""
    while len(content) < size:
        block = stream.read(size - len(content))
        if not block and may_end and not content:
            break
        if not block:
            raise BrokenTarError("it is cut off")
        content += block
    return content


def _skip(stream: Readable, count: int) -> None:
    while count:
        block = stream.read(min(count, _SKIPPED))
        if not block:
            raise BrokenTarError("it ends within a member")
        count -= len(block)


def _number(field: bytes, base: int = 8) -> int:
    """Read a number in octal digits, or, as GNU tar writes large ones, in binary after a byte 0x80."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b"\0 ")
    if len(digits) <= _MOST_DIGITS and (not digits or digits.isdigit()):
        with suppress(ValueError):  # 8 and 9 are no octal digits
            return int(digits or b"0", base)
    raise BrokenTarError("a number in it is none")


def _pax_fields(text: bytes) -> dict[str, str]:
    """Read the fields of an extended header, each of which begins with its length: ``30 path=…``."""
    fields = {}
    start = 0
    while start < len(text) and text[start : start + 1] != b"\0":
        digits, space, _ = text[start : start + _MOST_DIGITS].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        key, equals, value = text[start + len(digits) + 1 : start + length].partition(b"=")
        if length <= len(digits) + 1 or start + length > len(text) or not equals:
            raise BrokenTarError("an extended header in it is damaged")
        fields[_text(key)] = _text(value.removesuffix(b"\n"))
        start += length
    return fields


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", errors="replace")
