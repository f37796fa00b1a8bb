"""Trust on first use: the hashes of files whose cards name none, remembered from when they first came.

They are kept in ``trusted.json`` in the user's settings, by the address they came from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zoo._utils.files import atomic_file, locked
from zoo._utils.paths import config_folder
from zoo.errors import WeightsError
from zoo.registry.cards import Card, Source


def expected_sha256(card: Card) -> str | None:
    """Return the hash that a model's file must have: its card's, else the one remembered from the first fetch."""
    if card.weights.sha256 is not None:
        return card.weights.sha256
    known = remembered()
    return next((known[key]["sha256"] for key in trust_keys(card) if key in known), None)


def trust_keys(card: Card) -> list[str]:
    """List what a remembered hash is kept under: each source's address; a file that was added by hand, its card."""
    return [trust_key(source) for source in card.weights.remote] or [f"model:{card.name}"]


def trust_key(source: Source) -> str:
    """Return what a source's remembered hash is kept under: its address, what may be secret in it as a hash only."""
    if source.shown == source.url:
        return source.url
    return f"{source.shown} {hashlib.sha256(source.url.encode()).hexdigest()[:16]}"


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


def pin(keys: Iterable[str], sha256: str, size: int) -> None:
    """Trust a hash from now on for what these addresses give.

    Raises `WeightsError` if another one is trusted already, say by a process that was quicker, and `OutputError`.
    """
    entry = {"sha256": sha256, "size": size, "first_seen": datetime.now(UTC).strftime("%Y-%m-%d")}
    with _changing() as entries:
        for key in keys:
            if entries.setdefault(key, entry)["sha256"] != sha256:
                raise WeightsError(f"{key}: sha256 {entries[key]['sha256']} is remembered, but {sha256} came")


def unpin(keys: Iterable[str]) -> bool:
    """Trust what arrives next as if for the first time; say whether anything had been remembered.

    Raises `WeightsError`, `OutputError`.
    """
    keys = list(keys)
    if not any(key in remembered() for key in keys):
        return False
    with _changing() as entries:
        for key in keys:
            entries.pop(key, None)
    return True


@contextmanager
def _changing() -> Iterator[dict[str, dict[str, Any]]]:
    """Yield the entries to change, one process at a time, and write them."""
    with locked(trust_file()):
        entries = remembered()
        yield entries
        with atomic_file(trust_file()) as partial:
            partial.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("sha256"), str) and len(entry["sha256"]) == 64
