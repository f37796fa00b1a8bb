"""Registry files, and the regions in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.attack.attack import Attack, Fuzzed
from tests.attack.mutations import mutated_text
from tests.support.hostile_cards import FILES, HEAD, REGIONS, doubling
from zoo.core.region import parse_region
from zoo.registry.card_files import read_cards

_FILE = "cards.yaml"
_LARGEST_SEED = 20_000


def _writer(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / _FILE).write_text(text, encoding="utf-8")


def _read_last_region(folder: Path) -> None:
    """Read the last region of a card, at a usual size of pictures."""
    [card] = read_cards(folder / _FILE)
    parse_region(list(card.regions)[-1], (1024, 1024), card.regions)


def _read_all(path: Path) -> None:
    """Read the cards of a file, and each region that they name."""
    for card in read_cards(path):
        for region in card.regions:
            parse_region(region, (64, 64), card.regions)


def _seeds() -> Sequence[bytes]:
    hostile = [text for text in (*(text for text, _ in FILES.values()), *REGIONS.values()) if len(text) < _LARGEST_SEED]
    honest = [HEAD, doubling(3), f"{HEAD}    classes: [a, b]\n    config: {{size: [1, 2.5], gain: no}}\n"]
    return [text.encode() for text in (*hostile, *honest * 10)]


ATTACKS = [
    *(
        Attack("registry", name, _writer(text), ("--registry", _FILE, "list"), kind="cards that cost or break more")
        for name, (text, _) in FILES.items()
    ),
    *(
        Attack("registry", f"regions: {name}", _writer(text), _read_last_region, kind="regions that name each other")
        for name, text in REGIONS.items()
    ),
]
FUZZED = [Fuzzed("registry", "damaged cards", _seeds, _read_all, suffix=".yaml", mutate=mutated_text, share=5)]
