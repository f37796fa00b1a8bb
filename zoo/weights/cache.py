"""The cache for fetched weights: what is there, and whether it is intact."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.files import BusyError, exists, locked, output_error, sweep_dead
from zoo._utils.paths import cache_folder
from zoo._utils.progress import Progress, silent
from zoo.errors import OutputError, WeightsError
from zoo.registry.cards import Card
from zoo.weights.known_hashes import expected_sha256, trust_keys

_BLOCK = 2**22
_LONG = 2**28


def status(card: Card) -> str:
    """Say where a model's weights are now: ``local``, ``cached``, the scheme they come by, or ``by hand``."""
    if any(exists(path) for path in card.paths()):
        return "local"
    slot = cache_path_of(card)
    if slot is not None and slot.exists():
        return "cached"
    return card.weights.sources[0].scheme if card.weights.sources else "by hand"


def cache_path_of(card: Card) -> Path | None:
    """Return the place of a model's weights in the cache: a folder per hash; None while their hash is not known."""
    sha256 = expected_sha256(card)
    return None if sha256 is None else cache_path_for(card, sha256)


def cache_path_for(card: Card, sha256: str) -> Path:
    """Return the place in the cache of a model's file with this hash: where it is, whatever its name, or would be."""
    folder, remote = cache_folder() / "weights" / sha256, card.weights.remote
    there = sorted(path for path in folder.glob("[!.]*") if path.is_file())
    return there[0] if there else folder / (remote[0].file_name if remote else "weights")


def work_folder(card: Card) -> Path:
    """Return the folder in the cache where a model's file arrives; one fetch at a time works there."""
    key = hashlib.sha256(json.dumps([card.name, *trust_keys(card)]).encode()).hexdigest()[:16]
    return cache_folder() / "incoming" / f"{card.name[:60]}-{key}"


@dataclass(frozen=True)
class CachedFile:
    """One file in the cache: its path, the hash that it must have, its size in bytes, and the models it belongs to."""

    path: Path
    sha256: str
    size: int
    models: tuple[str, ...]


def cached_files(cards: Iterable[Card]) -> list[CachedFile]:
    """List the weights in the cache, those that no card names too. Raises `WeightsError`."""
    try:
        found = sorted(path for path in (cache_folder() / "weights").glob("*/[!.]*") if path.is_file())
        sizes = {path: path.stat().st_size for path in found}
    except OSError as error:
        raise WeightsError(f"cannot read the cache {cache_folder()}: {error.strerror}") from None
    owners: dict[str, list[str]] = {}  # asked after the files: a hash is remembered before its file appears
    for card in cards:
        owners.setdefault(expected_sha256(card) or "", []).append(card.name)
    return [
        CachedFile(path, path.parent.name, size, tuple(owners.get(path.parent.name, ())))
        for path, size in sizes.items()
    ]


def unfinished() -> list[Path]:
    """List what interrupted fetches left in the cache, to be resumed or cleaned away."""
    folder = cache_folder() / "incoming"
    names = {path.name.removesuffix(".lock") for path in folder.iterdir()} if folder.is_dir() else set()
    return [folder / name for name in sorted(names)]


def sha256_of(path: Path, progress: Progress = silent) -> str:
    """Hash a file; large ones report progress. Raises `WeightsError` if it cannot be read."""
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                if size > _LONG:
                    progress(file.tell(), size, f"checking {path.name}")
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None
    return digest.hexdigest()


def damaged(files: Iterable[CachedFile], progress: Progress = silent) -> list[CachedFile]:
    """List the cached files whose content is not what their hash says. Raises `WeightsError`."""
    return [file for file in files if sha256_of(file.path, progress) != file.sha256]


def clean(cards: Iterable[Card], progress: Progress = silent) -> list[Path]:
    """Delete unfinished fetches, damaged files and those that no card names; list what was deleted.

    What another process is fetching meanwhile is left alone. Raises `WeightsError`, `OutputError`.
    """
    deleted = []
    try:
        for file in cached_files(cards):
            if not file.models or sha256_of(file.path, progress) != file.sha256:
                file.path.unlink(missing_ok=True)
                deleted.append(file.path)
        for folder in (cache_folder() / "weights").glob("*/"):
            sweep_dead(folder)
            with suppress(OSError):  # it is not empty
                folder.rmdir()
    except OSError as error:
        raise output_error(cache_folder(), error) from error
    return [*deleted, *(place for place in unfinished() if sweep(place))]


def sweep(place: Path) -> bool:
    """Delete a work folder and its lock, if they are there and no process is at work; say whether they were deleted."""
    if not place.exists() and not Path(f"{place}.lock").exists():
        return False
    with suppress(BusyError, OutputError, OSError), locked(place, wait=False):
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        return True
    return False
