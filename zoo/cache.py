"""The cache for fetched weights: where it is, and what of it is there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import platformdirs

from zoo.cards import Card


def cache_folder() -> Path:
    """Return the folder for fetched weights: ``ZOO_CACHE``, or the platform's usual place."""
    chosen = os.environ.get("ZOO_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("latent-zoo", appauthor=False))


def whereabouts(card: Card) -> str:
    """Say where a model's weights are now: ``local``, ``cached``, or the source they would be fetched from."""
    if any(path.exists() for path in card.paths()):
        return "local"
    if card.weights.sha256 is not None and slot_of(card).exists():
        return "cached"
    return card.weights.sources[0].scheme


def slot_of(card: Card) -> Path:
    """The place of a model's weights in the cache: a folder per hash, and the file's own name."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", card.weights.sources[0].url.rpartition("/")[2])
    return cache_folder() / "weights" / (card.weights.sha256 or "unknown") / name
