"""Metadata of the network: attributes, accuracy, data. Nothing here imports torch."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
WEIGHTS = FOLDER / "weights.safetensors"


def read_card() -> dict[str, Any]:
    """Read `card.json`, which `recipes/scorer.py` writes beside the weights.

    Returns:
        Its content.

    """
    card: dict[str, Any] = json.loads((FOLDER / "card.json").read_text(encoding="utf-8"))
    return card


def columns() -> tuple[str, ...]:
    """Name the outputs of the network.

    Returns:
        A name for each value of each attribute, such as ``glasses=no`` and ``glasses=yes``.

    """
    return tuple(f"{name}={value}" for name, values in read_card()["attributes"].items() for value in values)
