"""What a folder of avatars holds, and how it is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ZooError


@dataclass(frozen=True)
class Avatars:
    """Pictures whose factors are all known.

    ``images`` (n, size, size, 3), bytes; ``labels`` (n, attributes), places in the values of each attribute, or 255
    where a picture has none; ``variants`` (n, attributes), which of the drawings with that label it shows; ``masks``
    (n, parts, size, size), which pixels a part changes, with n = 0 for the training pictures; ``attributes`` and
    ``parts`` name the columns, ``style`` first.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    variants: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    attributes: dict[str, tuple[str, ...]]
    parts: tuple[str, ...]


def write(path: Path, avatars: Avatars) -> None:
    """Write one shard; equal avatars give equal bytes."""
    arrays = {"images": avatars.images, "labels": avatars.labels, "variants": avatars.variants}
    if len(avatars.masks):
        arrays["masks"] = np.packbits(avatars.masks.reshape(*avatars.masks.shape[:2], -1), axis=-1)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # numpy types the names as its own options


def read(folder: Path | str, split: str) -> Avatars:
    """Read a split (``train``, ``val`` or ``test``); raises `ZooError` where there is none."""
    paths = sorted(Path(folder).glob(f"{split}-*.npz"))
    if not paths:
        raise ZooError(f"{folder} holds no {split} avatars: make some with `python -m recipes.avatars DIR`")
    about = json.loads((Path(folder) / "dataset.json").read_text())
    size, parts = about["size"], tuple(about["parts"])
    shards = [dict(np.load(path, allow_pickle=False)) for path in paths]
    found = {name: np.concatenate([shard[name] for shard in shards]) for name in shards[0]}
    packed = found.get("masks", np.zeros((0, len(parts), 1), np.uint8))
    return Avatars(
        found["images"],
        found["labels"],
        found["variants"],
        np.unpackbits(packed, axis=-1)[..., : size * size].reshape(-1, len(parts), size, size).astype(bool)
        if len(packed)
        else np.zeros((0, len(parts), size, size), bool),
        {name: tuple(values) for name, values in about["attributes"].items()},
        parts,
    )
