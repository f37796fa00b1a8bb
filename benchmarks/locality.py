"""How local are null-space edits? Prints the medians that the README quotes.

    python benchmarks/locality.py [MODEL] [REGION]

Each code alone: the best of the first five directions, at that code. Then M averaged over 48 codes: the best of the
first five by its pooled locality over 32 unseen codes. Locality is that of zoo.editing, at a visible change.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import zoo
from zoo.core.codes import Codes
from zoo.core.region import Region
from zoo.editing.locality import measure_locality
from zoo.models.model import Model

ANALYZERS = ("lowrank", "nullspace")
CODES = 16
AVERAGED = 48
UNSEEN = 32


def best_of_five(model: Model, directions: zoo.Directions, region: Region, codes: Codes) -> float:
    """Return the best locality, over all codes, of the first five directions."""
    return max(found.value for found in measure_locality(model.adapter, codes, directions.vectors[:5], region))


def find(model: Model, analyzer: str, region: str, codes: Codes) -> zoo.Directions:
    """Analyse codes without measuring."""
    return zoo.analyze(model, analyzer, region=region, codes=codes, show=1, unseen=0)


def main() -> None:
    """Measure both analyzers in one run and print the medians and their ratios."""
    name, text = (*sys.argv[1:3], *("dcgan.digiface64", "mouth")[len(sys.argv) - 1 :])
    model = zoo.load(name)
    region = model.region(text)
    start = time.perf_counter()
    codes = model.sample(CODES, seed=0)
    alone = {
        analyzer: median(
            best_of_five(model, find(model, analyzer, text, codes[index]), region, codes[index])
            for index in range(CODES)
        )
        for analyzer in ANALYZERS
    }
    many, unseen = model.sample(AVERAGED, seed=0), model.sample(UNSEEN, seed=1)
    averaged = {
        analyzer: best_of_five(model, find(model, analyzer, text, many), region, unseen) for analyzer in ANALYZERS
    }
    print(f"{model.name}, {text}; {time.perf_counter() - start:.0f} s")
    print(f"{'':34}{'lowrank':>9}{'nullspace':>11}{'ratio':>8}")
    for title, found in (
        (f"{CODES} codes, each analysed alone", alone),
        (f"mean of {AVERAGED} codes, {UNSEEN} unseen", averaged),
    ):
        print(
            f"{title:34}{found['lowrank']:9.2f}{found['nullspace']:11.2f}{found['nullspace'] / found['lowrank']:8.1f}"
        )


if __name__ == "__main__":
    main()
