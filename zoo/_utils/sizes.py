"""Numbers of bytes as people write them."""

from __future__ import annotations

import re

from zoo.errors import OptionError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{0,9})?|\.\d{1,9})\s*([kmgt]?i?)b?", re.IGNORECASE)


def parse_size(option: str, text: str | int) -> int:
    """Read a number of bytes: 500000000, 500MB, 0.5 GB, 2GiB. Raises `OptionError`."""
    match = _SIZE.fullmatch(str(text).strip())
    if match is None or match[2].lower() not in _UNITS:
        raise OptionError(f"{option} {text}: write a number of bytes such as 500MB, 2GB or 1.5GiB")
    number = int(float(match[1]) * _UNITS[match[2].lower()])
    if not 0 < number < 2**60:
        raise OptionError(f"{option} {text}: write a number of bytes above 0, such as 500MB or 2GB")
    return number


def written_size(count: float) -> str:
    """Write a number of bytes as `parse_size` reads it, such as 1.2GB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}B"
