"""Trust on first use: the hashes of files whose cards name none, pinned when the files first arrive.

They are kept in ``trusted.json`` in the user's settings folder, by the address that the file came from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zoo._utils.files import atomic_file
from zoo._utils.locks import locked
from zoo._utils.paths import config_folder
from zoo.errors import WeightsError
from zoo.registry.cards import Card
from zoo.registry.sources import Source


def expected_sha256(card: Card) -> str | None:
    """Return the hash that a model's file must have: its card's, else the pinned one.

    Args:
        card: The model's card.

    Returns:
        64 hexadecimal digits, or None if neither the card nor a pin names a hash.

    Raises:
        WeightsError: If the file of pinned hashes cannot be read.
    """
    if card.weights.sha256 is not None:
        return card.weights.sha256
    pins = pinned_hashes()
    return next((pins[key]["sha256"] for key in pin_keys(card) if key in pins), None)


def pin_keys(card: Card) -> list[str]:
    """List the keys that a model's hash is pinned under.

    Args:
        card: The model's card.

    Returns:
        The key of each remote source; for a file that was added by hand, one key made of the model's name.
    """
    return [pin_key(source) for source in card.weights.remote] or [f"model:{card.name}"]


def pin_key(source: Source) -> str:
    """Return the key that a source's hash is pinned under.

    Args:
        source: A source of a card.

    Returns:
        Its address. If that may hold a password or token, the address as it is shown, and a hash of the whole.
    """
    if source.shown == source.url:
        return source.url
    return f"{source.shown} {hashlib.sha256(source.url.encode(errors='surrogatepass')).hexdigest()[:16]}"


def pins_file() -> Path:
    """Return the path of the file of pinned hashes."""
    return config_folder() / "trusted.json"


def pinned_hashes() -> dict[str, dict[str, Any]]:
    """Read the pinned hashes.

    Returns:
        By key, a dictionary of ``sha256``, ``size`` in bytes, and ``first_seen``, a date.

    Raises:
        WeightsError: If the file cannot be read.
    """
    try:
        content = json.loads(pins_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WeightsError(f"cannot read {pins_file()}: {error.strerror}") from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not all(_is_pin(pin) for pin in content.values()):
        raise WeightsError(
            f"{pins_file()} is damaged: mend it, or delete it to trust what arrives next as if for the first time"
        )
    return content


def pin(keys: Iterable[str], sha256: str, size: int, same_as: Iterable[str] = ()) -> None:
    """Trust a hash from now on for what some sources give.

    Args:
        keys: The sources' keys, see `pin_key`.
        sha256: The hash, 64 hexadecimal digits.
        size: The file's size in bytes.
        same_as: Further keys of the same file. If a hash is pinned for one of them, it must be this one.

    Raises:
        WeightsError: If another hash is pinned for one of them already, say by a process that was quicker.
        OutputError: If the file of pinned hashes cannot be written.
    """
    keys = list(keys)
    new_pin = {"sha256": sha256, "size": size, "first_seen": datetime.now(UTC).strftime("%Y-%m-%d")}
    with _rewriting() as pins:
        pins |= {key: new_pin for key in keys if key not in pins}
        for key in (*keys, *same_as):
            if key in pins and pins[key]["sha256"] != sha256:
                raise WeightsError(f"{key}: sha256 {pins[key]['sha256']} is remembered, but {sha256} came")


def unpin(keys: Iterable[str]) -> bool:
    """Forget pinned hashes, so that what arrives next is trusted as if for the first time.

    Args:
        keys: The sources' keys, see `pin_key`.

    Returns:
        Whether any of them had a pinned hash.

    Raises:
        WeightsError: If the file of pinned hashes cannot be read.
        OutputError: If it cannot be written.
    """
    keys = list(keys)
    if not any(key in pinned_hashes() for key in keys):
        return False
    with _rewriting() as pins:
        for key in keys:
            pins.pop(key, None)
    return True


@contextmanager
def _rewriting() -> Iterator[dict[str, dict[str, Any]]]:
    """Yield the pins to change, to one process at a time, and write them afterwards."""
    with locked(pins_file()):
        pins = pinned_hashes()
        yield pins
        with atomic_file(pins_file()) as partial:
            partial.write_text(json.dumps(pins, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _is_pin(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("sha256"), str) and len(value["sha256"]) == 64
