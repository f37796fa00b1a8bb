"""Score the analyses on the bundled models, for whose images there is a scorer of every attribute.

`python -m recipes.scores [MODEL ...]` writes `recipes/measured/scores.json`, and keeps the rows of other models there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import zoo
from recipes.generators import GENERATORS
from zoo._utils.files import atomic_file
from zoo.core.options import parse_pairs

MEASURED = Path(__file__).parent / "measured"

# Five random directions, as a baseline.
CHANCE = "random"

# How many directions of each analysis are scored.
SHOWN = 5

# At how many codes derivatives are taken.
ANALYSED = 32

# At how many other codes directions are scored.
SCORED = 256

# The analyses, perhaps with options, and their regions.
RUNS = (
    (CHANCE, "all"),
    (CHANCE, "hair"),
    ("sefa", "all"),
    ("resefa", "hair"),
    ("lowrank", "all"),
    ("lowrank", "hair"),
    ("nullspace:basis=published", "hair"),
    ("nullspace:basis=published", "mouth"),
)

# The class of all codes, and of the regions, where a model has classes.
STYLE = "adventurer"


def scored(model: zoo.Model, analyzer: str, region: str) -> dict[str, Any]:
    """Analyse a model and score the directions; return a row of the table."""
    label = STYLE if model.adapter.classes else None
    if label and region != "all":
        region = f"{label}_{region}"
    directions: zoo.Directions | Path
    with TemporaryDirectory() as folder:
        if analyzer == CHANCE:
            directions = Path(folder) / "random.npy"
            np.save(
                directions, np.linalg.qr(np.random.default_rng(0).normal(size=(model.adapter.space.dim, SHOWN)))[0].T
            )
        else:
            name, _, chosen = analyzer.partition(":")
            options = {"k": SHOWN, **(parse_pairs(chosen.split(",")) if chosen else {})}
            request: dict[str, Any] = {"region": region, "label": label, "samples": ANALYSED, **options}
            directions = zoo.analyze(model, name, **request, unseen=0, show=1)
        scores = zoo.score(model, directions, scorer="avatars", label=label, samples=SCORED, region=region, show=SHOWN)
    dci = scores.dci
    best = {
        attribute.name: max(row.effects[index].strength for row in scores.directions)
        for index, attribute in enumerate(scores.attributes)
    }
    return {
        "model": model.name,
        "analyzer": analyzer,
        "region": region,
        "strengths": best,
        "chance": {attribute.name: share for attribute, share in zip(scores.attributes, scores.chance, strict=True)},
        "names": [None if row.name is None else [str(row.name), row.name.strength] for row in scores.directions],
        "disentanglement": dci.disentanglement,
        "completeness": dci.completeness,
        "coverage": dci.coverage,
        "outside": [None if row.outside is None else row.outside / row.inside for row in scores.directions],
    }


def main() -> None:
    """Score every analysis on every model, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(GENERATORS), metavar="MODEL")
    file = MEASURED / "scores.json"
    MEASURED.mkdir(exist_ok=True)
    names = parser.parse_args().models
    if not set(names) <= set(GENERATORS):
        parser.error(f"the models are {', '.join(GENERATORS)}")
    for name in names:
        model = zoo.load(name)
        rows = json.loads(file.read_text()) if file.exists() else []
        rows = [row for row in rows if row["model"] != name]
        for analyzer, region in RUNS:
            rows.append(scored(model, analyzer, region))
            print(json.dumps(rows[-1]), flush=True)
        rows.sort(key=lambda row: list(GENERATORS).index(row["model"]))
        with atomic_file(file) as partial:
            partial.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
