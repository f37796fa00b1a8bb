"""Work folders of fetches: a model's file is downloaded into one, by one process at a time, and resumed there.

Each source's download has a folder of its own, named by a digest of its address. Whatever else is in a work folder is
not zoo's, and stays.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from contextlib import suppress
from pathlib import Path

from zoo._utils.locks import BusyError, locked
from zoo._utils.paths import cache_folder
from zoo.errors import OutputError
from zoo.registry.cards import Card
from zoo.registry.sources import Source
from zoo.weights.known_hashes import pin_keys

_WORK_NAME = re.compile(r".{1,60}-[0-9a-f]{16}", re.DOTALL)
_SOURCE_NAME = re.compile(r"[0-9a-f]{8}")


def work_folder(card: Card) -> Path:
    """Return the folder in the cache that a model's file is downloaded into, by one process at a time.

    Args:
        card: The model's card.
    """
    key = hashlib.sha256(json.dumps([card.name, *pin_keys(card)]).encode()).hexdigest()[:16]
    return cache_folder() / "incoming" / f"{card.name[:60]}-{key}"


def source_folder(card: Card, source: Source) -> Path:
    """Return the folder that one source's file is downloaded into.

    Args:
        card: The model's card.
        source: One of its sources.
    """
    return work_folder(card) / hashlib.sha256(source.url.encode(errors="surrogatepass")).hexdigest()[:8]


def unfinished() -> list[Path]:
    """List the work folders of unfinished fetches, which can be resumed or cleaned away."""
    folder = cache_folder() / "incoming"
    names = {path.name.removesuffix(".lock") for path in folder.iterdir()} if folder.is_dir() else set()
    return [folder / name for name in sorted(names) if _WORK_NAME.fullmatch(name)]


def remove_work_folder(folder: Path) -> bool:
    """Delete a work folder and its lock file, unless a process is at work there.

    Args:
        folder: A folder of `work_folder` or `unfinished`, which need not exist.

    Returns:
        Whether there was something to delete and it was deleted.
    """
    if not folder.exists() and not Path(f"{folder}.lock").exists():
        return False
    with suppress(BusyError, OutputError, OSError), locked(folder, wait=False):
        delete_downloads(folder)
        return not folder.exists()
    return False


def delete_downloads(folder: Path) -> None:
    """Delete what fetches left in a work folder, and the folder unless something else is in it.

    Args:
        folder: The work folder.

    Raises:
        OSError: If the operating system refuses.
    """
    for path in _source_folders(folder):
        shutil.rmtree(path)
    with suppress(OSError):
        folder.rmdir()


def keep_parts(folder: Path) -> None:
    """Delete what fetches left in a work folder, except for downloads that can be resumed.

    Args:
        folder: The work folder.
    """
    for path in _source_folders(folder):
        clear(path, keep_parts=True)
    with suppress(OSError):
        folder.rmdir()


def clear(folder: Path, *, keep_parts: bool = False) -> bool:
    """Empty the folder of one source's download.

    Args:
        folder: The folder, in a work folder.
        keep_parts: Keep downloads that can be resumed.

    Returns:
        Whether there are any.
    """
    records = list(folder.rglob("part.json")) if keep_parts else []
    if not records:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    kept = {file for record in records for file in (record, record.with_name("part"))}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path not in kept:
            path.unlink()
        elif path.is_dir():
            with suppress(OSError):
                path.rmdir()
    return True


def _source_folders(folder: Path) -> list[Path]:
    found = list(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if _SOURCE_NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]
