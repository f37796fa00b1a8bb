"""The network in the box: where it is, and what its card says. Nothing here imports torch."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
WEIGHTS = FOLDER / "towers.safetensors"


def read_card() -> dict[str, Any]:
    """Read `towers.json`, which `recipes/two_towers.py` writes beside the weights.

    Returns:
        Its content.
    """
    card: dict[str, Any] = json.loads((FOLDER / "towers.json").read_text(encoding="utf-8"))
    return card
