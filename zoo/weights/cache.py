"""The cache of fetched weights: what is in it, and whether it is intact."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.lookups import exists
from zoo._utils.paths import cache_folder
from zoo._utils.progress import Progress, silent
from zoo._utils.untrusted.opening import open_regular
from zoo._utils.untrusted.pipelines import is_pipeline, pipeline_files
from zoo._utils.writing.workspaces import output_error, remove_abandoned
from zoo.errors import WeightsError
from zoo.registry.cards import Card
from zoo.weights.known_hashes import expected_sha256
from zoo.weights.work_folders import remove_work_folder, unfinished

_BLOCK_BYTES = 2**22
# Hashing a file larger than this (about a second's work) reports progress.
_REPORTED_BYTES = 2**28
# What zoo calls folders of weights. Whatever else is in the cache is the user's own.
_HASH = re.compile(r"[0-9a-f]{64}")


def status(card: Card) -> str:
    """Say where a model's weights are now.

    Args:
        card: The model's card.

    Returns:
        ``local``, ``cached``, the scheme of the source that they would be fetched from, or ``by hand``.
    """
    if any(exists(path) for path in card.paths()):
        return "local"
    path = cache_path_of(card)
    if path is not None and path.exists():
        return "cached"
    return card.weights.sources[0].scheme if card.weights.sources else "by hand"


def cache_path_of(card: Card) -> Path | None:
    """Return the path of a model's weights in the cache.

    Args:
        card: The model's card.

    Returns:
        The path, whether there is a file or not; None if the hash that the file must have is not known.
    """
    sha256 = expected_sha256(card)
    return None if sha256 is None else cache_path_for(card, sha256)


def cache_path_for(card: Card, sha256: str) -> Path:
    """Return the path in the cache of a model's file with a certain hash. The cache has one folder for each hash.

    Args:
        card: The model's card.
        sha256: The file's hash.

    Returns:
        Where it is stored, or would be; if it is not there, another file in the folder of that hash, whatever its name.
    """
    path = storage_path_for(card, sha256)
    if path.is_file():
        return path
    return next(iter(sorted(path for path in path.parent.glob("[!.]*") if path.is_file())), path)


def storage_path_for(card: Card, sha256: str) -> Path:
    """Return the path in the cache at which a model's file is stored.

    Args:
        card: The model's card.
        sha256: The file's hash.
    """
    name = card.weights.remote[0].file_name if card.weights.remote else "weights"
    return cache_folder() / "weights" / sha256 / name


@dataclass(frozen=True)
class CachedFile:
    """One file in the cache.

    Attributes:
        path: Its path.
        sha256: The hash that it must have.
        size: Bytes.
        models: The names of the models that it belongs to.
        stored: Whether it is where the file of one of these models is stored. Of other files only the hash can show
            that zoo stored them.
    """

    path: Path
    sha256: str
    size: int
    models: tuple[str, ...]
    stored: bool


def cached_files(cards: Iterable[Card]) -> list[CachedFile]:
    """List the weights in the cache, including those that no card names.

    Args:
        cards: The cards of all models.

    Returns:
        The files, in the order of their hashes.

    Raises:
        WeightsError: If the cache cannot be read.
    """
    try:
        paths = sorted(
            path
            for path in (cache_folder() / "weights").glob("*/[!.]*")
            if _HASH.fullmatch(path.parent.name) and path.is_file()
        )
        sizes = {path: path.stat().st_size for path in paths}
    except OSError as error:
        raise WeightsError(f"cannot read the cache {cache_folder()}: {error.strerror}") from None
    # The hashes are read after the files were listed: a fetch pins a hash before its file appears in the cache.
    models: dict[str, list[Card]] = {}
    for card in cards:
        models.setdefault(expected_sha256(card) or "", []).append(card)
    files = []
    for path, size in sizes.items():
        named = models.get(path.parent.name, ())
        stored = any(storage_path_for(card, path.parent.name) == path for card in named)
        files.append(CachedFile(path, path.parent.name, size, tuple(card.name for card in named), stored))
    return files


def sha256_of(path: Path, progress: Progress = silent) -> str:
    """Hash a file; for the index of a pipeline, all files of it that are read.

    Args:
        path: The file.
        progress: Told how many bytes are hashed, if the file is large.

    Returns:
        64 hexadecimal digits. Those of a pipeline are the hash of its files' names and hashes.

    Raises:
        WeightsError: If a file cannot be read.
    """
    if not is_pipeline(path):
        return _sha256_of_file(path, progress)
    try:
        files = pipeline_files(path).listed
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())[:100]
        raise WeightsError(f"cannot read {path}: {reason}") from None
    lines = [f"{file.relative_to(path.parent).as_posix()} {_sha256_of_file(file, progress)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _sha256_of_file(path: Path, progress: Progress) -> str:
    digest = hashlib.sha256()
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
                if size > _REPORTED_BYTES:
                    progress(file.tell(), size, f"checking {path.name}")
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None
    return digest.hexdigest()


def damaged(files: Iterable[CachedFile], progress: Progress = silent) -> list[CachedFile]:
    """Hash cached files and list those whose content has another hash than it must have.

    Args:
        files: The files to check.
        progress: See `sha256_of`.

    Returns:
        The damaged ones among `files`.

    Raises:
        WeightsError: If a file cannot be read.
    """
    return [file for file in files if sha256_of(file.path, progress) != file.sha256]


def clean(cards: Iterable[Card], progress: Progress = silent) -> list[Path]:
    """Delete unfinished fetches, damaged files and those that no card names.

    Only what zoo stored is deleted: a file that has the hash by which its folder is called, or that is where a model's
    file is stored. What another process is fetching at the same time is left alone.

    Args:
        cards: The cards of all models.
        progress: See `sha256_of`.

    Returns:
        The paths of what was deleted.

    Raises:
        WeightsError: If the cache cannot be read.
        OutputError: If something cannot be deleted.
    """
    deleted = []
    try:
        for file in cached_files(cards):
            intact = sha256_of(file.path, progress) == file.sha256
            if (intact and not file.models) or (file.stored and not intact):
                file.path.unlink(missing_ok=True)
                deleted.append(file.path)
        for folder in (cache_folder() / "weights").glob("*/"):
            if _HASH.fullmatch(folder.name):
                remove_folder(folder)
    except OSError as error:
        raise output_error(cache_folder(), error) from error
    return [*deleted, *(folder for folder in unfinished() if remove_work_folder(folder))]


def remove_folder(folder: Path) -> None:
    """Remove the folder of one hash, unless something is in it.

    Args:
        folder: The folder.

    Raises:
        OSError: If the operating system refuses.
    """
    remove_abandoned(folder)
    with suppress(OSError):  # it is not empty
        folder.rmdir()
