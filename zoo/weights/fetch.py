"""Fetching weights: which sources are asked, what is accepted, and where it is kept.

Nothing here reads the content of a weights file. A file enters the cache only with the hash that its card names. If the
card names none, the hash of the first file that arrives is pinned, and any other is refused from then on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zoo._utils.files import atomic_file, flush
from zoo._utils.locks import locked
from zoo._utils.lookups import is_file
from zoo._utils.paths import cache_folder
from zoo._utils.progress import Progress, silent
from zoo._utils.untrusted.opening import read_head
from zoo._utils.writing.workspaces import output_error, parents_of
from zoo.errors import WeightsError
from zoo.registry.cards import Card
from zoo.registry.sources import Source
from zoo.weights import sources
from zoo.weights.cache import (
    cache_path_for,
    cache_path_of,
    remove_folder,
    sha256_of,
    storage_path_for,
)
from zoo.weights.known_hashes import expected_sha256, pin, pin_key, pin_keys, pins_file, unpin
from zoo.weights.sources.archive import copy_member
from zoo.weights.sources.request import MAX_BYTES, DownloadRequest
from zoo.weights.work_folders import (
    clear,
    delete_downloads,
    keep_parts,
    remove_work_folder,
    source_folder,
    work_folder,
)

# Bytes at the beginning of a file that are looked at to tell text from weights.
_HEAD_BYTES = 512


def fetch(card: Card, progress: Progress = silent, *, by_hand: str | None = None) -> tuple[Path, str]:
    """Return a model's weights file, downloading it into the cache if it is not there.

    The hash is checked before every use. Files on this machine come first; the other sources are tried in order. A
    damaged file in the cache is downloaded again, once. Of several processes, one downloads and the others wait. If
    ``ZOO_OFFLINE`` is set, nothing is downloaded.

    Args:
        card: The model's card.
        progress: Called with (bytes so far, bytes in all, what is being done).
        by_hand: What to do with a file that was obtained elsewhere, for error messages; by default ``zoo add``.

    Returns:
        The path of the file, and its sha256.

    Raises:
        WeightsError: If no source gives the file that the card names.
        OutputError: If the cache cannot be written.
    """
    stored = _find_local(card) or _find_cached(card, progress)
    if stored is not None:
        remove_work_folder(work_folder(card))  # a process that was killed just after the download may have left it
        return stored
    by_hand = by_hand or f"run 'zoo add FILE --name {card.name}'"
    _require_sources(card, by_hand)
    try:
        waiting = f"waiting for another process that fetches {card.name}"
        with locked(work_folder(card), lambda: progress(0, 1, waiting)):
            progress(1, 1, waiting)
            return _find_cached(card, progress) or _from_sources(card, by_hand, progress)
    except OSError as error:
        raise output_error(cache_folder(), error) from error


def import_file(card: Card, file: Path, progress: Progress = silent) -> tuple[Path, str]:
    """Copy a file that was obtained by hand into the cache, as a model's weights.

    Args:
        card: The model's card. If it names no hash, the file's is pinned.
        file: The file.
        progress: Called with (bytes so far, bytes in all, what is being done).

    Returns:
        The path of the copy, and its sha256.

    Raises:
        WeightsError: If the file has another hash than it must have.
        OutputError: If the cache cannot be written.
    """
    sha256 = _checked_sha256(card, file)
    path = storage_path_for(card, sha256)
    try:
        with atomic_file(path) as copy:
            shutil.copyfile(file, copy)
            if sha256_of(copy, progress) != sha256:
                raise WeightsError(f"{file} changed while it was copied: try again")
    except OSError as error:
        raise output_error(path, error) from error
    if card.weights.sha256 is None:
        pin(pin_keys(card), sha256, path.stat().st_size)
    return path, sha256


def forget(card: Card, cards: Iterable[Card]) -> list[Path]:
    """Remove a model's cached file, what an interrupted fetch of it left, and its pinned hash.

    Args:
        card: The model's card.
        cards: The cards of all models; a file that belongs to another of them too stays.

    Returns:
        The paths of what was removed.

    Raises:
        WeightsError: If the pinned hashes cannot be read.
        OutputError: If something cannot be removed.
    """
    sha256 = expected_sha256(card)
    path = None if sha256 is None else storage_path_for(card, sha256)
    if any(expected_sha256(other) == sha256 for other in cards if other.name != card.name):
        path = None
    try:
        with locked(work_folder(card)):
            removed = [one for one in (path, work_folder(card)) if one is not None and one.exists()]
            if path is not None and path.exists():
                path.unlink()
                remove_folder(path.parent)
            delete_downloads(work_folder(card))
    except OSError as error:
        raise output_error(cache_folder(), error) from error
    return [*removed, pins_file()] if unpin(pin_keys(card)) else removed


def is_offline() -> bool:
    """Say whether ``ZOO_OFFLINE`` forbids downloads."""
    return os.environ.get("ZOO_OFFLINE", "") not in {"", "0"}


def _find_local(card: Card) -> tuple[Path, str] | None:
    """Find the file where a source says that it is on this machine.

    A file with another hash is passed over if the card has other sources, and an error if it has none.
    """
    for path in card.paths():
        if is_file(path):
            try:
                return path, _checked_sha256(card, path)
            except WeightsError:
                if not card.weights.remote:
                    raise
    return None


def _find_cached(card: Card, progress: Progress) -> tuple[Path, str] | None:
    sha256 = expected_sha256(card)
    if sha256 is None:
        return None
    path = cache_path_for(card, sha256)
    return (path, sha256) if path.exists() and sha256_of(path, progress) == sha256 else None


def _checked_sha256(card: Card, path: Path) -> str:
    """Hash a local file and compare it with the hash that the model's file must have, if that is known."""
    actual = sha256_of(path)
    expected = expected_sha256(card)
    if expected not in {None, actual}:
        whose = "its card names" if card.weights.sha256 else "the one remembered is"
        raise WeightsError(f"{card.name}: {path} has sha256 {actual}, but {whose} {expected}")
    return actual


def _require_sources(card: Card, by_hand: str) -> None:
    if not card.weights.remote:
        if card.weights.obtain:
            raise WeightsError(f"{card.name}: no program can fetch its file. {card.weights.obtain}; then {by_hand}")
        raise WeightsError(
            f"{card.name}: no weights at {card.paths()[0]}: put the file there or mend its card in {card.file}"
        )
    if is_offline():
        path = cache_path_of(card)
        state = "damaged in the cache" if path is not None and path.exists() else "not in the cache"
        raise WeightsError(
            f"{card.name}: {state}, and ZOO_OFFLINE forbids to fetch it: unset that, or get the file from "
            f"{card.weights.remote[0].shown} elsewhere and then {by_hand}"
        )


def _from_sources(card: Card, by_hand: str, progress: Progress) -> tuple[Path, str]:
    """Ask one source after the other; the first that gives the right file is taken."""
    work = work_folder(card)
    failures = []
    with parents_of(work):
        for source in card.weights.remote:
            try:
                file, sha256 = _from_source(source, card, progress)
                return _move_into_cache(card, source, file, sha256), sha256
            except WeightsError as error:
                failures.append(str(error))
            finally:
                keep_parts(work)
    raise WeightsError(f"{card.name}: {'; '.join(failures)}; try again, or get the file elsewhere and {by_hand}")


def _from_source(source: Source, card: Card, progress: Progress) -> tuple[Path, str]:
    """Download one source's file into the work folder and check it; a resumed one that is wrong, once more."""
    folder = source_folder(card, source)
    resumed = clear(folder, keep_parts=True)
    try:
        return _download(source, card, folder, progress)
    except WeightsError:
        if not resumed or (folder / "part.json").exists():  # still unfinished: nothing was checked yet
            raise
        clear(folder)
        return _download(source, card, folder, progress)


def _download(source: Source, card: Card, folder: Path, progress: Progress) -> tuple[Path, str]:
    """Download what a source gives, take the member out of an archive, and check the result."""
    folder.mkdir(parents=True, exist_ok=True)
    is_archive = source.member is not None or source.scheme == "pypi"
    pinned = source.archive_sha256 if is_archive else card.weights.sha256
    size = None if is_archive else card.weights.size
    request = DownloadRequest(source, folder, size, pinned is not None, progress)
    try:
        file = sources.fetch(request)
    finally:
        request.report_end()
    sha256 = sha256_of(file, progress)
    if source.archive_sha256 not in {None, sha256}:
        text = _describe_if_text(file)
        raise WeightsError(f"{source.shown}: the archive has sha256 {sha256}, not {source.archive_sha256}{text}")
    if is_archive:
        file = _take_member(source, card, file, folder / "member")
        sha256 = sha256_of(file, progress)
    _check_content(source, card, file, sha256)
    return file, sha256


def _take_member(source: Source, card: Card, archive: Path, target: Path) -> Path:
    member = str(source.member or source.parts["path"])
    try:
        copy_member(archive, member, target, max_bytes=card.weights.size or MAX_BYTES)
    except WeightsError as error:
        raise WeightsError(f"{source.shown}: {error}{_describe_if_text(archive)}") from None
    return target


def _check_content(source: Source, card: Card, file: Path, sha256: str) -> None:
    """Raise `WeightsError` if a file has another size or hash than it must have, or is text and its hash unknown."""
    size = file.stat().st_size
    expected = expected_sha256(card)
    text = _describe_if_text(file)
    if card.weights.size not in {None, size}:
        raise WeightsError(f"{source.shown} gave {size:,} bytes{text}, the card says {card.weights.size:,}")
    if card.weights.sha256 not in {None, sha256}:
        raise WeightsError(f"{source.shown} gave sha256 {sha256}{text}, but the card names {expected}")
    if expected not in {None, sha256}:
        raise WeightsError(
            f"{source.shown} has changed: it gives sha256 {sha256}{text}, and {expected} was remembered from the "
            f"first fetch; if the change is right, run 'zoo cache --forget {card.name}'"
        )
    if card.weights.sha256 is None and (not size or text):
        raise WeightsError(f"{source.shown} gave no weights{text or ': the file is empty'}")


def _move_into_cache(card: Card, source: Source, file: Path, sha256: str) -> Path:
    """Move a checked file to its path in the cache, in one step, and remove what is left of the download."""
    path = storage_path_for(card, sha256)
    flush(file)
    if card.weights.sha256 is None:
        # Another process may have pinned a hash since the file was checked: `pin` looks once more, under its lock.
        pin([pin_key(source)], sha256, file.stat().st_size, same_as=pin_keys(card))
    with parents_of(path):
        file.replace(path)
    with suppress(OSError):
        delete_downloads(work_folder(card))  # also what was begun from another source
    return path


def _describe_if_text(file: Path) -> str:
    """Return ``" (a web page)"`` and the like if a file is text, such as a server's error page, else ``""``."""
    text = read_head(file, _HEAD_BYTES).decode("utf-8-sig", errors="replace").strip()
    text = text.removesuffix("\ufffd")  # a character that is cut in two at the end
    if not text or "\ufffd" in text or not all(character.isprintable() or character.isspace() for character in text):
        return ""
    kind = {"<": "a web page", "{": "a JSON answer"}.get(text[0])
    return f" ({kind})" if kind else f" (text: {' '.join(text.split())[:60]!r})"
