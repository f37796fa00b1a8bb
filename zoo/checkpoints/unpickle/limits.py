"""What one file may cost, and the errors for a file that asks for more."""

from __future__ import annotations

# More than any network has.
MAX_TENSORS = 20_000

_MAX_OPCODES = 400_000
# Training logs of texts, dictionaries or numpy's numbers have an instruction for every few of their bytes.
_BYTES_PER_OPCODE = 4
_MOST_OPCODES = 3_000_000
_MAX_NUMBERS = 2_000_000
_MAX_VALUES = 200_000
_MAX_ENTRIES = 4_000_000
_MAX_DEPTH = 24
_TOO_MUCH = "it holds too many values or too long names"


class RefusedError(Exception):
    """A file asks for what zoo does not do, or claims what it does not hold; the message says which, in a few words."""


class UnreadError(RefusedError):
    """Something is of a kind that zoo does not read. Beside the weights of a network, it is left out."""


class BrokenError(Exception):
    """A file is damaged or ends too early; the message says what was found."""


class Limits:
    """The time and memory that one file may still take; what is charged is never given back.

    A file can refer to the same object any number of times, so that what is charged is the work done, not the size of
    the file.

    Args:
        size: Bytes of the file.
    """

    def __init__(self, size: int) -> None:
        self._opcodes = min(max(_MAX_OPCODES, size // _BYTES_PER_OPCODE), _MOST_OPCODES)
        self._numbers = _MAX_NUMBERS
        self._values = _MAX_VALUES
        self._entries = _MAX_ENTRIES
        self._bytes = 4 * size + 2**20

    def charge_opcode(self, *, number: bool = False) -> None:
        """Charge one instruction of a pickle.

        Args:
            number: Whether it only pushes a number: training logs have very many of these, and they take little.

        Raises:
            RefusedError: If there are too many.
        """
        if number:
            self._numbers -= 1
        else:
            self._opcodes -= 1
        if min(self._opcodes, self._numbers) < 0:
            raise RefusedError("it has more instructions than any network's file needs")

    def charge_value(self, key: str, depth: int) -> None:
        """Charge one value of the state dict.

        Args:
            key: Its key, whose characters are charged as bytes.
            depth: How deeply it is nested.

        Raises:
            UnreadError: If it is nested too deeply.
            RefusedError: If there are too many values, or the keys are too long.
        """
        self._values -= 1
        if self._values < 0:
            raise RefusedError(_TOO_MUCH)
        if depth > _MAX_DEPTH:
            raise UnreadError(f"{key[:80]} is nested too deeply")
        self.charge_bytes(len(key), _TOO_MUCH)

    def charge_entries(self, count: int) -> None:
        """Charge entries of a record that are looked through.

        Args:
            count: How many.

        Raises:
            RefusedError: If there are too many.
        """
        self._entries -= count
        if self._entries < 0:
            raise RefusedError(_TOO_MUCH)

    def charge_bytes(self, count: int, reason: str = "it claims more numbers than the file holds") -> None:
        """Charge bytes before they are copied.

        Args:
            count: How many.
            reason: The message if there are too many.

        Raises:
            RefusedError: If all of them together are more than four times the file.
        """
        self._bytes -= count
        if self._bytes < 0:
            raise RefusedError(reason)
