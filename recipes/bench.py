"""Bench the analyses on the models in the box, and on a face model with published weights.

`python -m recipes.bench [MODEL ...]` writes `recipes/measured/bench/MODEL.json`: what `zoo bench` writes, without the
single repetitions.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from zoo._utils.files import atomic_file
from zoo.bench import Bench, BenchRequest
from zoo.registry.registry import load_installation

MEASURED = Path(__file__).parent / "measured" / "bench"

# The models, and what is asked of each besides the usual. A model with classes is benched in one of them.
CLASS = {"label": "adventurer", "region": "adventurer_mouth"}
MODELS: dict[str, dict[str, Any]] = {
    "biggan.avatars32": CLASS,
    "stylegan2.avatars32": {},
    "stylegan.avatars32": {},
    "pggan.avatars32": {},
    "stylegan2.avatars64": {},
    "biggan.avatars64": CLASS,
    "dcgan.digiface64": {},
}

# The analyses: all that come with zoo, lowrank of the whole picture too, and null-space editing in its published form.
ANALYZERS = ("sefa", "lowrank", "nullspace", "nullspace:basis=published", "resefa", "lowrank:region=all")


def write(found: Bench) -> None:
    """Write the tables of a bench."""
    values = {key: value for key, value in found.as_json().items() if key != "samples"}
    MEASURED.mkdir(parents=True, exist_ok=True)
    with atomic_file(MEASURED / f"{found.model.name}.json") as partial:
        partial.write_text(json.dumps(values, indent=1) + "\n")


def main() -> None:
    """Bench the models; one that was interrupted goes on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), metavar="MODEL")
    parser.add_argument("--out", type=Path, default=Path("runs") / "bench", help="the folder of their run folders")
    parser.add_argument("--repetitions", type=int, default=3, help="how often everything is drawn anew")
    arguments = parser.parse_args()
    if not set(arguments.models) <= set(MODELS):
        parser.error(f"the models are {', '.join(MODELS)}")
    for name in arguments.models:
        asked = {"analyzers": ANALYZERS, "repetitions": arguments.repetitions, **MODELS[name]}
        request = BenchRequest(model=name, out=arguments.out / name, **asked)
        write(request.run(load_installation()))
        print(f"{name}: {MEASURED / name}.json", flush=True)


if __name__ == "__main__":
    main()
