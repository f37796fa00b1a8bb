"""Lines that a person sees once: on first use, and again whenever what they are about has changed."""

from __future__ import annotations

import hashlib
import sys
from contextlib import suppress

from zoo._utils.paths import config_folder
from zoo.errors import OutputError, printable

# What this process has shown, for settings folders that cannot be written.
_shown: set[str] = set()


def show_once(line: str, version: str = "") -> None:
    """Print a line to standard error, unless this machine has shown it before.

    An empty file in the settings folder remembers it. Where that cannot be written, every process shows the line.

    Args:
        line: The line.
        version: Whatever else the line is about; where it has changed, the line is shown again.
    """
    digest = hashlib.sha256(f"{line}\n{version}".encode(errors="surrogatepass")).hexdigest()[:32]
    if not _is_remembered(digest):
        print(printable(line), file=sys.stderr)  # first: what is remembered has been shown
        _remember(digest)


def print_once(line: str) -> None:
    """Print a line to standard error, once in a process.

    Args:
        line: The line.
    """
    if line not in _shown:
        _shown.add(line)
        print(printable(line), file=sys.stderr)


def _is_remembered(digest: str) -> bool:
    with suppress(OSError, OutputError):
        return digest in _shown or (config_folder() / "shown" / digest).exists()
    return False


def _remember(digest: str) -> None:
    _shown.add(digest)
    with suppress(OSError, OutputError):
        folder = config_folder() / "shown"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / digest).touch()
