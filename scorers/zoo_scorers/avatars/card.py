"""What is known of the network beside its weights: attributes, accuracy, data. Nothing here imports torch."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
WEIGHTS = FOLDER / "weights.safetensors"


def read_card() -> dict[str, Any]:
    """Read `card.json`, which `recipes/scorer.py` writes beside the weights."""
    card: dict[str, Any] = json.loads((FOLDER / "card.json").read_text(encoding="utf-8"))
    return card


def columns() -> tuple[str, ...]:
    """Name the outputs of the network, a column for each value of each attribute: ``glasses=no``, ``glasses=yes`` …"""
    return tuple(f"{name}={value}" for name, values in read_card()["attributes"].items() for value in values)
