"""What one file may cost, and how it is said that it asks for more."""

from __future__ import annotations

MOST_TENSORS = 20_000
"""More than any network has."""
_MOST_OPERATIONS = 400_000
_MOST_VISITS = 200_000
_MOST_LOOKS = 4_000_000
_DEEPEST = 24
_TOO_MUCH = "it is nested too deeply, or holds too many values or too long names"


class RefusedError(Exception):
    """A file asks for what zoo does not do, or claims what it does not hold; the message says which, in a few words."""


class BrokenError(Exception):
    """A file is damaged or ends too early; the message says what was found."""


class Limits:
    """What is left of the time and memory that a file of `size` bytes may take: spent, never given back."""

    def __init__(self, size: int) -> None:
        self.operations = _MOST_OPERATIONS
        self._visits = _MOST_VISITS
        self._looks = _MOST_LOOKS
        self._bytes = 4 * size + 2**20

    def charge_value(self, key: str, depth: int) -> None:
        """Count a value and its key. Raises `RefusedError` for too many, too deep a one, or too long keys."""
        self._visits -= 1
        if depth > _DEEPEST or self._visits < 0:
            raise RefusedError(_TOO_MUCH)
        self.charge_bytes(len(key), _TOO_MUCH)

    def charge_entries(self, count: int) -> None:
        """Count entries of a record that are looked through. Raises `RefusedError` for too many."""
        self._looks -= count
        if self._looks < 0:
            raise RefusedError(_TOO_MUCH)

    def charge_bytes(self, count: int, reason: str = "it claims more numbers than the file holds") -> None:
        """Count bytes that are about to be taken. Raises `RefusedError` beyond four times the file."""
        self._bytes -= count
        if self._bytes < 0:
            raise RefusedError(reason)
