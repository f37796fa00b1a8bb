"""Making a folder of avatars: all images, and the masks of those that are held out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipes.avatars.data import Avatars, write
from recipes.avatars.design import ATTRIBUTES, PARTS, ImagePlan, plan
from recipes.avatars.rendering import render, versions
from zoo._utils.files import atomic_folder
from zoo.errors import OutputError

# Images in a file.
SHARD = 10_000

# A pixel belongs to a part if some channel differs by more than this, of 255, from the image without the part.
LEVELS = 8


def make(folder: Path, *, size: int, train: int, held: int, jobs: int, tell: Callable[[str], None]) -> None:
    """Write ``train`` and ``held`` images of each style; half of the latter are ``val``, half ``test``.

    Equal arguments give equal bytes, whatever the number of processes. Raises `ZooError`, and then writes nothing.
    """
    if folder.exists():
        raise OutputError(f"{folder} exists: name a new folder")
    counts = {"train": train, "val": held // 2, "test": held - held // 2}
    with atomic_folder(folder) as work:
        for split, whole in plan(counts).items():
            for number, shard in enumerate(whole.shards(SHARD)):
                images, masks = draw(shard, size, jobs, masked=split != "train")
                path = work / f"{split}-{number:03}.npz"
                write(path, Avatars(images, shard.labels, shard.variants, masks, ATTRIBUTES, PARTS))
                tell(path.name)
        (work / "dataset.json").write_text(json.dumps(_about(size, counts), indent=1) + "\n")


def draw(shard: ImagePlan, size: int, jobs: int, *, masked: bool) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw the images of a plan, (n, size, size, 3), and the masks of their parts, (n, parts, size, size).

    Unless ``masked``, there are no masks: their n is 0.
    """
    parts = PARTS if masked else ()
    requests = [*shard.requests(), *(request for part in parts for request in shard.requests(part))]
    images, *others = render(requests, size, jobs).reshape(1 + len(parts), -1, size, size, 3)
    masks = [(np.abs(images.astype(np.int16) - without) > LEVELS).any(axis=-1) for without in others]
    return images, np.stack(masks, axis=1) if masked else np.zeros((0, len(PARTS), size, size), bool)


def _about(size: int, counts: dict[str, int]) -> dict[str, object]:
    return {
        "size": size,
        "styles": ATTRIBUTES["style"],
        "attributes": ATTRIBUTES,
        "parts": PARTS,
        "splits": {split: count * len(ATTRIBUTES["style"]) for split, count in counts.items()},
        "versions": versions(),
    }
