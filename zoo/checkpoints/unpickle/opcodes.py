"""The instructions of a pickle, one by one, with their arguments: nothing is carried out here."""

from __future__ import annotations

import io
import pickletools
import struct
from collections.abc import Iterator
from typing import Any

from zoo.checkpoints.unpickle.limits import BrokenError, RefusedError

_WIDTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_VIEWS = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "BINSTRING"}
_PAIRS = {"GLOBAL", "INST"}
_LONGEST_LINE = 4096
_LONGEST_NUMBER = 64
_TABLE = {ord(operation.code): operation for operation in pickletools.opcodes}


def operations(data: memoryview, start: int = 0) -> Iterator[tuple[str, Any, int]]:
    """Yield (name, argument, position behind it) from `start` to the instruction STOP.

    Bytes, and the long strings of Python 2, come as views of `data`: nothing large is copied. Raises `BrokenError`
    where the pickle ends too early or is none, `RefusedError` for a number or line of absurd length.
    """
    position = start
    while position < len(data):
        operation = _TABLE.get(data[position])
        if operation is None:
            raise BrokenError(f"byte {data[position]:02x} at position {position:,} is no instruction of a pickle")
        position += 1
        argument = None
        if operation.arg is not None:
            begin, end = _extent(data, position, operation)
            try:
                argument = (
                    data[begin:end]
                    if operation.name in _VIEWS
                    else operation.arg.reader(io.BytesIO(data[position:end]))
                )
            except (ValueError, struct.error):
                raise BrokenError(f"the argument of {operation.name} at position {position:,} cannot be read") from None
            position = end
        yield operation.name, argument, position
        if operation.name == "STOP":
            return
    raise BrokenError("it ends in the middle")


def _extent(data: memoryview, position: int, operation: pickletools.OpcodeInfo) -> tuple[int, int]:
    """Say where an argument's content lies: from `position`, or behind the number of bytes that stands there."""
    assert operation.arg is not None
    count, width = operation.arg.n, 0
    if count == pickletools.UP_TO_NEWLINE:
        count = _line(data, position, 2 if operation.name in _PAIRS else 1)
    elif count < 0:
        width = _WIDTHS[count]
        count = int.from_bytes(data[position : position + width], "little")
        if operation.name in {"LONG1", "LONG4"} and count > _LONGEST_NUMBER:
            raise RefusedError(f"it holds a number of {count:,} bytes")
    end = position + width + count
    if end > len(data):
        raise BrokenError(f"{operation.name} at position {position:,} claims {count:,} bytes, more than the file holds")
    return position + width, end


def _line(data: memoryview, position: int, lines: int) -> int:
    content = bytes(data[position : position + _LONGEST_LINE])
    end = -1
    for _ in range(lines):
        end = content.find(b"\n", end + 1)
        if end < 0:
            raise BrokenError(f"a line at position {position:,} does not end")
    return end + 1
