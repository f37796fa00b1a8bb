"""Plugins in folders of their own, and the command line with them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support import fork_server

MODEL = "mosaic.pebbles32"
"""The model that the sample plugin ships."""

Zoo = Callable[..., subprocess.CompletedProcess[str]]


ADAPTER = """
from zoo import AdapterPlugin, AnalyzerPlugin, hookimpl

def entry(name):
    return AdapterPlugin(name=name, summary="nothing", load=load, provides=frozenset())

def load():
    raise RuntimeError("the network was forgotten")
"""


def environment(*site: Path, **further: str) -> dict[str, str]:
    """Return variables with which Python searches the `site` folders first, and zoo has its default settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ZOO_", "PYTHON"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, site)), **further}


def python(*arguments: str | Path, site: Path, cwd: Path, executable: str | None = None) -> None:
    """Run Python, by default that of the fork server, with a folder on its search path."""
    done = subprocess.run(
        [executable or fork_server.python(), *map(str, arguments)],
        cwd=cwd,
        env=environment(site),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def write_plugin(site: Path, name: str, code: str | None, *, module: str | None = None) -> Path:
    """Write a distribution with one module and its entry point."""
    module = module or name.replace("-", "_")
    folder = site / f"{name.replace('-', '_')}-1.2.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (folder / "entry_points.txt").write_text(f"[zoo]\n{module} = {module}\n")
    if code is not None:
        (site / f"{module}.py").write_text(code)
    return site


def require_warning(done: subprocess.CompletedProcess[str], *words: str) -> str:
    """Require success, and one line on standard error, a warning with the given words; return the line."""
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    return done.stderr


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Require exit code 2, and one line on standard error with the given words."""
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr
