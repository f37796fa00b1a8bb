"""Score the analyses on the bundled models, whose pictures' every attribute can be told.

`python -m recipes.scores [MODEL ...]` writes `recipes/measured/scores.json`, where rows of other models stay.
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

MEASURED = Path(__file__).parent / "measured"
CHANCE = "random"
"""Five directions that nobody searched for, to hold the others against."""
SHOWN = 5
"""How many directions of each analysis are scored, the first ones."""
ANALYSED, SCORED = 32, 256
"""At how many codes the derivatives are taken, and at how many others the directions are scored."""
RUNS = (
    (CHANCE, "all"),
    (CHANCE, "hair"),
    ("sefa", "all"),
    ("resefa", "hair"),
    ("lowrank", "all"),
    ("lowrank", "hair"),
    ("nullspace", "hair"),
    ("nullspace", "mouth"),
)
"""The analyses, and the regions that they are asked about."""
STYLE = "adventurer"
"""The class of all codes, where a model has classes; boxes are those of this class then."""


def scored(model: zoo.Model, analyzer: str, region: str) -> dict[str, Any]:
    """Analyse and score; return what the table shows."""
    label = STYLE if model.adapter.classes else None
    if label and region != "all":
        region = f"{label}_{region}"
    found: zoo.Directions | Path
    with TemporaryDirectory() as folder:
        if analyzer == CHANCE:
            found = Path(folder) / "random.npy"
            np.save(found, np.linalg.qr(np.random.default_rng(0).normal(size=(model.adapter.space.dim, SHOWN)))[0].T)
        else:
            asked: dict[str, Any] = {"region": region, "label": label, "samples": ANALYSED, "k": SHOWN}
            found = zoo.analyze(model, analyzer, **asked, unseen=0, show=1)
        scores = zoo.score(model, found, scorer="avatars", label=label, samples=SCORED, region=region, show=SHOWN)
    told = scores.dci
    best = {
        attribute.name: max(row.effects[place].strength for row in scores.directions)
        for place, attribute in enumerate(scores.attributes)
    }
    return {
        "model": model.name,
        "analyzer": analyzer,
        "region": region,
        "strengths": best,
        "chance": {attribute.name: share for attribute, share in zip(scores.attributes, scores.chance, strict=True)},
        "names": [None if row.name is None else [str(row.name), row.name.strength] for row in scores.directions],
        "disentanglement": told.disentanglement,
        "completeness": told.completeness,
        "coverage": told.coverage,
        "outside": [None if row.outside is None else row.outside / row.inside for row in scores.directions],
    }


def main() -> None:
    """Score every analysis on every model, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(GENERATORS), metavar="MODEL")
    file = MEASURED / "scores.json"
    MEASURED.mkdir(exist_ok=True)
    asked = parser.parse_args().models
    if not set(asked) <= set(GENERATORS):
        parser.error(f"the models are {', '.join(GENERATORS)}")
    for name in asked:
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
