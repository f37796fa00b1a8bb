"""Named regions of avatars, from the true masks of their parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recipes.avatars import Avatars

# A pixel counts if it is in so many masks, as a fraction of the number of masks that the most frequent pixel is in.
SHARE = 0.5


def regions_of(data: Avatars) -> dict[str, str]:
    """Return a box for each part, for all styles together (`eyes`) and for each style (`micah_eyes`)."""
    boxes = {}
    for index, part in enumerate(data.parts):
        masks = data.masks[:, index]
        boxes[part] = box_of(masks)
        for label, style in enumerate(data.attributes["style"]):
            boxes[f"{style.replace('-', '_')}_{part}"] = box_of(masks[data.labels[:, 0] == label])
    return boxes


def box_of(masks: NDArray[np.bool_]) -> str:
    """Return the smallest box around the pixels that are in enough of the masks (n, h, w)."""
    heat = masks.mean(axis=0)
    frequent = heat >= SHARE * heat.max()
    rows = np.flatnonzero(frequent.any(axis=1))
    columns = np.flatnonzero(frequent.any(axis=0))
    height, width = heat.shape
    top = rows[0] / height
    left = columns[0] / width
    return f"box:{top:g},{left:g},{(rows[-1] + 1) / height - top:g},{(columns[-1] + 1) / width - left:g}"
