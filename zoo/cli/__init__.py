"""The command line: it reads arguments, calls the library and prints. It has no logic of its own.

This module is all that is imported before signals are heard and errors are told in one line, so it imports little.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.cli.app import COMMANDS, build_app, run

__all__ = ["COMMANDS", "build_app", "main", "run"]

# The exit code after Ctrl-C.
INTERRUPTED = 130
# By this much, the exit code exceeds the number of the signal that ended the process, as shells have it.
_SIGNALLED = 128
# The signals that end a command as Ctrl-C does, by what they are called: `kill`, the end of a terminal.
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
# The number of the first of them that arrived.
received: list[int] = []
# Why standard output took no more, if it did not.
refused: list[OSError] = []


def __getattr__(name: str) -> Any:
    """Import what the other modules define when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from zoo.cli import app

    return getattr(app, name)


def main() -> None:
    """Run the command line with the arguments of this process, and exit."""
    _mend_streams()
    try:
        _listen()
        from zoo.cli.app import start

        code = start(sys.argv[1:])
    except KeyboardInterrupt:
        say("zoo: interrupted")
        code = INTERRUPTED
    if received and code:
        code = _SIGNALLED + received[0]
    sys.exit(_flushed(code))


def say(line: str) -> None:
    """Print a line to standard error, if that takes it.

    Args:
        line: The line.
    """
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr)


def _listen() -> None:
    """Let signals that end the process raise `KeyboardInterrupt`, so that all is cleaned up; ignored ones stay so."""
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
            signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    received.append(number)
    raise KeyboardInterrupt


def _mend_streams() -> None:
    """Give closed streams their numbers back, which files would take otherwise; what is written to them fails."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open until the process ends
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Output(1, "w", closefd=False)), sys.stdout.encoding, sys.stdout.errors
        )


class _Output(io.FileIO):
    """Standard output, whose errors are told from those of other files."""

    def write(self, content: Any, /) -> int:
        """Write, and remember why that is not possible."""
        try:
            return super().write(content)
        except OSError as error:
            refused.append(error)
            raise


def _flushed(code: int) -> int:
    """Write what standard output and standard error still hold; return the exit code, 2 if the output was not taken."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _discard(sys.stdout)
        if not code and not isinstance(error, BrokenPipeError):  # then whoever reads it has seen enough
            say(f"zoo: cannot write to standard output: {error.strerror}")
            code = 2
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        _discard(sys.stderr)
    return code


def _discard(stream: Any) -> None:
    """Send what a stream still holds nowhere, so that Python does not complain at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
