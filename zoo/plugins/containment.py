"""Running the code of plugins, so that nothing which it raises or prints ends or spoils a command."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType

from zoo.errors import ContractError, PluginError, ZooError, is_out_of_memory
from zoo.plugins.skipped import describe_error


@contextmanager
def contained() -> Iterator[None]:
    """Run code of a plugin within ``with``; what it prints goes to standard error, not into the output of ``--json``.

    Raises:
        PluginError: it raised what is no `Exception`, such as SystemExit. A KeyboardInterrupt passes where the user did
            press Ctrl-C.
        Exception: whatever else it raised.

    """
    with redirect_stdout(sys.stderr), _noting_interrupts() as interrupts:
        try:
            yield
        except Exception:
            raise
        except BaseException as error:
            if interrupts:
                raise
            raise PluginError(describe_error(error)) from error


@contextmanager
def blaming(plugin: str, model: str) -> Iterator[None]:
    """Name a plugin in whatever goes wrong within ``with``, unless zoo refused something or memory ran out.

    Args:
        plugin: what it is, such as ``the analyzer sefa``.
        model: the model that it worked on.

    Raises:
        ContractError: it raised an error of its own.

    """
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ContractError(f"{plugin} failed on {model}: {describe_error(error)}") from error


@contextmanager
def _noting_interrupts() -> Iterator[list[int]]:
    """Yield a list that gets an entry when the user presses Ctrl-C; only the main thread can tell."""
    received: list[int] = []
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield received
        return

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        previous(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield received
    finally:
        signal.signal(signal.SIGINT, previous)
