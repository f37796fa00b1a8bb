"""Score the analyses on the bundled models, whose pictures' every attribute can be told.

`python -m recipes.scores [MODEL ...]` writes `recipes/measured/scores.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import zoo
from recipes.generators import GENERATORS

MEASURED = Path(__file__).parent / "measured"
SHOWN = 5
"""How many directions of each analysis are scored, the first ones."""
ANALYSED, SCORED = 32, 256
"""At how many codes the derivatives are taken, and at how many others the directions are scored."""
RUNS = (
    ("sefa", "all"),
    ("resefa", "hair"),
    ("lowrank", "all"),
    ("lowrank", "hair"),
    ("nullspace", "hair"),
    ("nullspace", "mouth"),
)
"""The analyses, and the regions that they are asked about."""


def scored(model: zoo.Model, analyzer: str, region: str) -> dict[str, Any]:
    """Analyse and score; return what the table shows."""
    found = zoo.analyze(model, analyzer, region=region, samples=ANALYSED, k=SHOWN, unseen=0, show=1)
    scores = zoo.score(model, found, scorer="avatars", samples=SCORED, show=SHOWN)
    told = scores.disentanglement
    best = {
        attribute.name: max(row.effects[place].strength for row in scores.directions)
        for place, attribute in enumerate(scores.attributes)
    }
    return {
        "model": model.name,
        "analyzer": analyzer,
        "region": region,
        "strengths": best,
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
    rows = []
    for name in parser.parse_args().models:
        model = zoo.load(name)
        for analyzer, region in RUNS:
            rows.append(scored(model, analyzer, region))
            print(json.dumps(rows[-1]), flush=True)
    MEASURED.mkdir(exist_ok=True)
    (MEASURED / "scores.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
