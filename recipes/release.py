"""Write the file of a bundled model from a training: the averaged weights, with metadata.

    python -m recipes.release biggan.avatars32 --data DIR --training DIR

Weights are stored in half precision if that changes none of 256 images by a step of 8 bits.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import zoo
from recipes.avatars import Avatars, licence_of, read
from recipes.generators import GENERATORS, Trained
from recipes.regions import regions_of
from zoo._utils.files import atomic_file
from zoo.checkpoints.metadata import KEY, ConversionMetadata
from zoo.registry.cards import Licence

BUNDLED = Path(zoo.__file__).parent / "bundled"

# A step of 8 bits, in images of [-1, 1].
STEP = 2 / 255


def average_of(name: str, classes: int, folder: Path) -> tuple[Trained, str]:
    """Load the averaged network of a training, and return it with the hash of its file."""
    trained: Trained = GENERATORS[name](classes)
    (file,) = (folder / "checkpoint").glob("average-*.safetensors")
    trained.network.load_state_dict({key: tensor.clone() for key, tensor in load_file(file).items()})
    trained.finish(torch.Generator().manual_seed(0))
    return trained, hashlib.sha256(file.read_bytes()).hexdigest()


def release(name: str, data: Avatars, folder: Path, out: Path) -> float:
    """Write the file, and return the largest change of a pixel by half precision."""
    styles = tuple(data.attributes["style"])
    trained, sha256 = average_of(name, len(styles), folder)
    config = trained.config() | ({"classes": styles} if trained.classes else {})
    state = {key: tensor.contiguous() for key, tensor in trained.network.state_dict().items()}
    halves = {key: tensor.half() if tensor.ndim > 1 else tensor for key, tensor in state.items()}
    rounded = {key: tensor.float() for key, tensor in halves.items()}
    before, after = (trained.adapter.load(some, config) for some in (state, rounded))
    codes = before.sample(256, torch.Generator().manual_seed(0))
    change = float((before.synthesize(codes).clamp(-1, 1) - after.synthesize(codes).clamp(-1, 1)).abs().max())
    metadata = ConversionMetadata(
        adapter=name.partition(".")[0],
        layout="zoo's own training",
        origin="recipes/train.py",
        sha256=sha256,
        averaged="yes: the average over training",
        licence=Licence(*licence_of()),
        summary="Avatars of six styles, whose every attribute is known.",
        config=config,
    )
    with atomic_file(out) as partial:
        save_file(halves if change < STEP else state, partial, metadata={KEY: metadata.as_text()})
    return change


def main() -> None:
    """Write the file, and print what its card says of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=GENERATORS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="instead of the file that is bundled")
    args = parser.parse_args()
    out = args.out or BUNDLED / f"{args.model}.safetensors"
    change = release(args.model, read(args.data, "train"), args.training, out)
    verb = "would change" if change >= STEP else "changes"
    print(f"# half precision {verb} images by {change / STEP:.2f} steps of 8 bits")
    print(f"sha256: {hashlib.sha256(out.read_bytes()).hexdigest()}\nsize: {out.stat().st_size}\nregions:")
    for region, text in regions_of(read(args.data, "val")).items():
        print(f"  {region}: {text}")


if __name__ == "__main__":
    main()
