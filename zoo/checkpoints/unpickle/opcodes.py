"""The instructions of a pickle, one by one, with their arguments; nothing is carried out here."""

from __future__ import annotations

import io
import pickletools
import struct
import warnings
from collections.abc import Iterator
from typing import Any

from zoo.checkpoints.unpickle.limits import BrokenError, RefusedError

# Bytes of the length that stands before an argument of variable length.
_LENGTH_WIDTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}

# Instructions whose argument is large and returned as a view of the file.
_VIEWS = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "BINSTRING"}

# Instructions whose argument is two lines: a module and a name.
_TWO_LINES = {"GLOBAL", "INST"}

_MAX_LINE = 4096
_MAX_INTEGER_BYTES = 64
_TABLE = {ord(opcode.code): opcode for opcode in pickletools.opcodes}


def read_opcodes(data: memoryview, start: int = 0) -> Iterator[tuple[str, Any, int]]:
    """Read instructions up to STOP.

    Args:
        data: The file.
        start: Where the pickle begins.

    Yields:
        The name of an instruction as in `pickletools`, its argument, and the position after it. Bytes, and the long
        strings of Python 2, are views of `data`: nothing large is copied.

    Raises:
        BrokenError: If the pickle ends too early, or is not a pickle.
        RefusedError: For an integer or a line that is too long to be plausible.
    """
    position = start
    while position < len(data):
        opcode = _TABLE.get(data[position])
        if opcode is None:
            raise BrokenError(f"byte {data[position]:02x} at position {position:,} is no instruction of a pickle")
        position += 1
        argument = None
        if opcode.arg is not None:
            begin, end = _argument_extent(data, position, opcode)
            try:
                argument = data[begin:end] if opcode.name in _VIEWS else _read_argument(opcode.arg, data[position:end])
            except (ValueError, struct.error):
                raise BrokenError(f"the argument of {opcode.name} at position {position:,} cannot be read") from None
            position = end
        yield opcode.name, argument, position
        if opcode.name == "STOP":
            return
    raise BrokenError("it ends in the middle")


def _read_argument(kind: pickletools.ArgumentDescriptor, content: memoryview) -> Any:
    if kind.n != pickletools.UP_TO_NEWLINE:
        return kind.reader(io.BytesIO(content))
    with warnings.catch_warnings():  # Python warns of backslashes that its own pickles never have
        warnings.simplefilter("ignore")
        return kind.reader(io.BytesIO(content))


def _argument_extent(data: memoryview, position: int, opcode: pickletools.OpcodeInfo) -> tuple[int, int]:
    """Return where an argument's content begins and ends; its length may stand before it."""
    assert opcode.arg is not None
    length = opcode.arg.n
    width = 0
    if length == pickletools.UP_TO_NEWLINE:
        length = _lines_length(data, position, 2 if opcode.name in _TWO_LINES else 1)
    elif length < 0:
        width = _LENGTH_WIDTHS[length]
        length = int.from_bytes(data[position : position + width], "little")
        # int() of a long text or many bytes takes time that grows with the square of their number.
        if opcode.name in {"LONG1", "LONG4"} and length > _MAX_INTEGER_BYTES:
            raise RefusedError(f"it holds a number of {length:,} bytes")
    end = position + width + length
    if end > len(data):
        raise BrokenError(f"{opcode.name} at position {position:,} claims {length:,} bytes, more than the file holds")
    return position + width, end


def _lines_length(data: memoryview, position: int, lines: int) -> int:
    content = bytes(data[position : position + _MAX_LINE])
    end = -1
    for _ in range(lines):
        end = content.find(b"\n", end + 1)
        if end < 0:
            raise BrokenError(f"a line at position {position:,} does not end")
    return end + 1
