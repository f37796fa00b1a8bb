"""Numbers of bytes as people write them."""

from __future__ import annotations

import re

from zoo.errors import OptionError

# A decimal number and a unit. `ByteSize` reads a text only as far as it understands it ("1,5GB" as one byte) and knows
# units of bits, so the whole text is checked first.
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?|\.\d{1,9})\s*([kmgt]?i?)b?", re.ASCII | re.IGNORECASE)
_MAX_SIZE = 2**60


def parse_size(option: str, text: str | int) -> int:
    """Read a number of bytes.

    Args:
        option: What the number was given for, such as ``--memory``, for the error message.
        text: A number of bytes, or a number and a unit: 500000000, 500MB, 0.5 GB, 2GiB.

    Returns:
        Bytes, more than 0 and fewer than 2**60.

    Raises:
        OptionError: If the text is something else.
    """
    from pydantic import ByteSize, TypeAdapter, ValidationError  # not at the top: 'zoo list' starts without pydantic

    match = _SIZE.fullmatch(str(text).strip())
    try:
        size = int(TypeAdapter(ByteSize).validate_python(f"{match[1]}{match[2]}b")) if match else 0
    except ValidationError:
        match, size = None, 0
    if match is None:
        raise OptionError(f"{option} {text}: write a number of bytes such as 500MB, 2GB or 1.5GiB")
    if not 0 < size < _MAX_SIZE:
        raise OptionError(f"{option} {text}: write a number of bytes above 0, such as 500MB or 2GB")
    return size


def format_size(count: float) -> str:
    """Write a number of bytes with three significant digits, as `parse_size` reads it.

    Args:
        count: Bytes.

    Returns:
        The number and its unit, such as 1.25GB.
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}B"
