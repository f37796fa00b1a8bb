"""Reading and writing folders of avatars."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ZooError


@dataclass(frozen=True)
class Avatars:
    """Images whose factors are all known.

    Attributes:
        images: (n, size, size, 3), bytes.
        labels: (n, attributes), indices of each attribute's value, or 255 where an attribute does not apply.
        variants: (n, attributes), which of the drawings with that label an image shows.
        masks: (n, parts, size, size), which pixels a part changes; n is 0 for the training images.
        attributes: the values of each attribute, by name; ``style`` comes first.
        parts: the names of the parts.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    variants: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    attributes: dict[str, tuple[str, ...]]
    parts: tuple[str, ...]


def write(path: Path, avatars: Avatars) -> None:
    """Write one shard. Equal avatars give equal bytes."""
    arrays = {"images": avatars.images, "labels": avatars.labels, "variants": avatars.variants}
    if len(avatars.masks):
        arrays["masks"] = np.packbits(avatars.masks.reshape(*avatars.masks.shape[:2], -1), axis=-1)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # numpy types the names as its own options


def read(folder: Path | str, split: str) -> Avatars:
    """Read a split (``train``, ``val`` or ``test``). Raises `ZooError` if it is missing."""
    paths = sorted(Path(folder).glob(f"{split}-*.npz"))
    if not paths:
        raise ZooError(f"{folder} holds no {split} avatars: make some with `python -m recipes.avatars DIR`")
    about = json.loads((Path(folder) / "dataset.json").read_text())
    size = about["size"]
    parts = tuple(about["parts"])
    shards = [dict(np.load(path, allow_pickle=False)) for path in paths]
    arrays = {name: np.concatenate([shard[name] for shard in shards]) for name in shards[0]}
    packed = arrays.get("masks", np.zeros((0, len(parts), 1), np.uint8))
    return Avatars(
        arrays["images"],
        arrays["labels"],
        arrays["variants"],
        np.unpackbits(packed, axis=-1)[..., : size * size].reshape(-1, len(parts), size, size).astype(bool)
        if len(packed)
        else np.zeros((0, len(parts), size, size), bool),
        {name: tuple(values) for name, values in about["attributes"].items()},
        parts,
    )
