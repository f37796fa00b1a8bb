"""The cache for fetched weights and the folder of the user's own settings: where they are, and what is there."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from zoo.cards import Card
from zoo.errors import WeightsError

_DISTRIBUTION = "latent-zoo"


def cache_folder() -> Path:
    """Return the folder for fetched weights: ``ZOO_CACHE``, or the platform's usual place."""
    chosen = os.environ.get("ZOO_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir(_DISTRIBUTION, appauthor=False))


def config_folder() -> Path:
    """Return the folder of the user's own cards and of remembered hashes: ``ZOO_CONFIG``, or the platform's place."""
    chosen = os.environ.get("ZOO_CONFIG")
    return Path(chosen) if chosen else Path(platformdirs.user_config_dir(_DISTRIBUTION, appauthor=False))


def whereabouts(card: Card) -> str:
    """Say where a model's weights are now: ``local``, ``cached``, the scheme they come by, or ``by hand``."""
    if any(path.exists() for path in card.paths()):
        return "local"
    slot = slot_of(card)
    if slot is not None and slot.exists():
        return "cached"
    return card.weights.sources[0].scheme if card.weights.sources else "by hand"


def expected_sha256(card: Card) -> str | None:
    """Return the hash that a model's file must have: its card's, else the one remembered from the first fetch."""
    if card.weights.sha256 is not None:
        return card.weights.sha256
    known = remembered()
    return next((known[key]["sha256"] for key in trust_keys(card) if key in known), None)


def slot_of(card: Card) -> Path | None:
    """Return the place of a model's weights in the cache: a folder per hash; None while their hash is not known."""
    sha256 = expected_sha256(card)
    return None if sha256 is None else slot_for(card, sha256)


def slot_for(card: Card, sha256: str) -> Path:
    """Return the place in the cache of a model's file with this hash."""
    remote = card.weights.remote
    name = remote[0].file_name if remote else "weights"
    return cache_folder() / "weights" / sha256 / name


def work_folder(card: Card) -> Path:
    """Return the folder in the cache where a model's file arrives; one fetch at a time works there."""
    key = hashlib.sha256(json.dumps([card.name, *trust_keys(card)]).encode()).hexdigest()[:16]
    return cache_folder() / "incoming" / f"{card.name[:60]}-{key}"


def trust_keys(card: Card) -> list[str]:
    """List what a remembered hash is kept under: each source's address; a file that was added by hand, its card."""
    return [source.url for source in card.weights.remote] or [f"model:{card.name}"]


def trust_file() -> Path:
    """Return the file of remembered hashes."""
    return config_folder() / "trusted.json"


def remembered() -> dict[str, dict[str, Any]]:
    """Read the remembered hashes, by source: ``{address: {sha256, size, first_seen}}``. Raises `WeightsError`."""
    try:
        content = json.loads(trust_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WeightsError(f"cannot read {trust_file()}: {error.strerror}") from None
    except ValueError:
        content = None
    if not isinstance(content, dict) or not all(_is_entry(entry) for entry in content.values()):
        raise WeightsError(
            f"{trust_file()} is damaged: mend it, or delete it to trust what arrives next as if for the first time"
        )
    return content


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("sha256"), str) and len(entry["sha256"]) == 64


@dataclass(frozen=True)
class CachedFile:
    """One file in the cache: its path, the hash that it must have, its size in bytes, and the models it belongs to."""

    path: Path
    sha256: str
    size: int
    models: tuple[str, ...]


def cached_files(cards: Iterable[Card]) -> list[CachedFile]:
    """List the weights in the cache, those that no card names too. Raises `WeightsError`."""
    owners: dict[str, list[str]] = {}
    for card in cards:
        sha256 = expected_sha256(card)
        if sha256 is not None:
            owners.setdefault(sha256, []).append(card.name)
    try:
        files = sorted(path for path in (cache_folder() / "weights").glob("*/*") if not path.name.startswith("."))
        return [
            CachedFile(path, path.parent.name, path.stat().st_size, tuple(owners.get(path.parent.name, ())))
            for path in files
        ]
    except OSError as error:
        raise WeightsError(f"cannot read the cache {cache_folder()}: {error.strerror}") from None


def unfinished() -> list[Path]:
    """List what interrupted fetches left in the cache, to be resumed or cleaned away."""
    folder = cache_folder() / "incoming"
    names = {path.name.removesuffix(".lock") for path in folder.iterdir()} if folder.is_dir() else set()
    return [folder / name for name in sorted(names)]
