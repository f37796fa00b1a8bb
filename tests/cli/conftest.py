"""What several tests of the command line share."""

from pathlib import Path

import pytest
import yaml

from tests.registry.test_registry import CARD
from tests.support.toys import write_tiny


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a registry of one card with its weights, and work in a folder beside them."""
    write_tiny(tmp_path / "mine.safetensors")
    card = {**CARD, "weights": {"sources": [{"url": "mine.safetensors"}]}, "regions": {"spot": "box:4,4,6,6"}}
    (tmp_path / "cards.yaml").write_text(yaml.safe_dump({"models": [card]}))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return str(tmp_path / "cards.yaml")
