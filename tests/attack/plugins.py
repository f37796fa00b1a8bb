"""Plugins that fail, in every way that Python has."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from tests.attack.attack import READ, Attack
from tests.support.hostile_plugins import CALLED, IMPORTED, write_plugin

_MODULE = "evil_plugin"


def _writer(code: str) -> Callable[[Path], object]:
    return lambda folder: write_plugin(folder / "site", _MODULE, code)


def _runner(command: str) -> Callable[[Path], object]:
    """Run a command, and ``zoo plugins``, beside the plugin: each goes on after at most one warning that names it."""

    def run_beside(folder: Path) -> None:
        from zoo.cli import run

        sys.path.insert(0, str(folder / "site"))
        importlib.invalidate_caches()
        for words in (command.split(), ["plugins"]):
            sys.modules.pop(_MODULE, None)
            printed = StringIO()
            with redirect_stderr(printed):
                code = run(words)
            lines = printed.getvalue().splitlines()
            assert code == 0, f"{words}: exit code {code}, {lines}"
            assert len(lines) == 1 or (not lines and words != command.split()), f"{words}: {lines}"
            assert all(line.startswith("zoo: warning: ") and "evil-plugin 1.2" in line for line in lines), lines

    return run_beside


ATTACKS = [
    *(
        Attack("plugins", name, _writer(code), _runner("plugins"), kind="fails on import", may=(READ,))
        for name, code in IMPORTED.items()
    ),
    *(
        Attack("plugins", name, _writer(code), _runner(command), kind="fails in a hook", may=(READ,))
        for name, (code, command) in CALLED.items()
    ),
]
