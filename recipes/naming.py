"""Measure how often the text scorer names a direction after what it changes: ``python -m recipes.naming [MODEL ...]``.

What a direction changes is known on the bundled models: the scorer `avatars` reads every attribute of their pictures.
The same directions, at the same codes, are shown to the scorer `text`, whose network in the box knows captions alone.
Directions are those of two analyses, supervised ones, and random ones.

`recipes/measured/naming.json` is written, and keeps the rows of other models there; `docs/naming_table.py` makes the
table of it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

import torch

import zoo
from recipes.generators import GENERATORS
from recipes.scores import MEASURED
from zoo._utils.files import atomic_file
from zoo.bench.supervised import supervised_directions
from zoo.bench.trial import Readings, coordinates_of
from zoo.editing.render import render
from zoo.editing.requests import CodesRequest
from zoo.registry.registry import load_installation
from zoo.scoring.choosing import choose_scorers
from zoo.scoring.effects import ranked, read_attributes, strongest
from zoo.scoring.score import score
from zoo.scoring.scores import DirectionScores

FILE = MEASURED / "naming.json"
ANALYSES = ("sefa", "lowrank")
SUPERVISED, RANDOM = "supervised", "random"
SHOWN = 6  # directions of each analysis
RANDOM_DIRECTIONS = 8
READINGS = 500  # codes that supervised directions are found from
CODES = 64  # unseen ones, at which directions are named
STYLE = "micah"  # of all codes, where a model has classes

# The attribute that a name of the list of avatars speaks of, by its last word or by the whole name.
_SPEAKS_OF = {
    "smile": "mouth",
    "open mouth": "mouth",
    "serious face": "mouth",
    "closed eyes": "eyes",
    "glasses": "glasses",
    "short hair": "hair",
    "long hair": "hair",
    "mohawk": "hair",
    "hair": "hair_colour",
    "skin": "skin",
    "background": "background",
    "style": "style",
}


def factor_of(name: str) -> str:
    """Say which attribute of the avatars a name of the list speaks of.

    Args:
        name: The name, such as ``red hair``.

    Returns:
        The attribute, such as ``hair_colour``.
    """
    return _SPEAKS_OF[name] if name in _SPEAKS_OF else _SPEAKS_OF[name.rsplit(maxsplit=1)[-1]]


def measure(model: zoo.Model) -> list[dict[str, Any]]:
    """Name the directions of all methods by both scorers, at the same codes and steps; return a row for each."""
    label = STYLE if model.adapter.classes else None
    plugins = load_installation().plugins
    known, text = (choose_scorers(model.card, plugins, name) for name in ("avatars", "text"))
    sets = {
        **{name: zoo.analyze(model, name, label=label, samples=16, show=1, unseen=0).take(SHOWN) for name in ANALYSES},
        SUPERVISED: _supervised(model, known, label),
        RANDOM: _random(model),
    }
    found = zoo.Directions(
        model.adapter.space,
        torch.cat([one.vectors for one in sets.values()]),
        torch.ones(sum(map(len, sets.values())), dtype=torch.float64),
    )
    codes = CodesRequest(samples=CODES, label=label)
    scores = score(model, found, {**known, **text}, codes=codes, show=len(found))
    methods = [name for name, one in sets.items() for _ in range(len(one))]
    return [
        {"model": model.name, "method": method, **_row(one)}
        for method, one in zip(methods, scores.directions, strict=True)
    ]


def _row(scored: DirectionScores) -> dict[str, Any]:
    known = strongest([effect for effect in scored.effects if effect.scorer == "avatars"])
    words = ranked([effect for effect in scored.effects if effect.scorer == "text"])
    name = strongest(words)
    return {
        "known": None if known is None else known.attribute,
        "strength": None if known is None else round(known.strength, 3),
        "name": None if name is None else str(name),
        "says": None if name is None else factor_of(name.attribute),
        "z": None if name is None or name.z is None else round(name.z, 2),
        "strongest": factor_of(max(words, key=lambda one: one.strength).attribute),
        "words": {
            one.attribute: [round(one.z or 0, 2), round(one.effect, 2), round(one.agreement, 2)] for one in words
        },
    }


def _supervised(model: zoo.Model, scorers: Mapping[str, zoo.Scorer], label: str | None) -> zoo.Directions:
    """Find a direction for each attribute from what the scorer reads at many codes, as ``zoo bench`` does."""
    drawn = CodesRequest(samples=READINGS, label=label, seed=9).take(model)
    [scorer] = scorers.values()
    parts = [drawn[start : start + 100] for start in range(0, len(drawn), 100)]
    scores = torch.cat([scorer.score(render(model, part).clamp(-1, 1)) for part in parts])
    found = supervised_directions(
        model.adapter.space, Readings(coordinates_of(drawn), scores.double(), read_attributes(scorers))
    )
    assert found is not None
    return found


def _random(model: zoo.Model) -> zoo.Directions:
    vectors = torch.randn(RANDOM_DIRECTIONS, model.adapter.space.dim, generator=torch.Generator().manual_seed(1))
    unit = vectors.double() / vectors.double().norm(dim=1, keepdim=True)
    return zoo.Directions(model.adapter.space, unit, torch.ones(RANDOM_DIRECTIONS))


def main() -> None:
    """Name the directions of models, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(GENERATORS), metavar="MODEL")
    names = parser.parse_args().models
    if not set(names) <= set(GENERATORS):
        parser.error(f"the models are {', '.join(GENERATORS)}")
    for name in names:
        rows = json.loads(FILE.read_text()) if FILE.exists() else []
        rows = [row for row in rows if row["model"] != name] + measure(zoo.load(name, device="cpu"))
        rows.sort(key=lambda row: list(GENERATORS).index(row["model"]))
        with atomic_file(FILE) as partial:
            partial.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
        print(name, flush=True)


if __name__ == "__main__":
    main()
