"""Named regions of avatars, from the true masks of their parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recipes.avatars import Avatars

SHARE = 0.5
"""A pixel counts if at least this fraction of the likeliest pixel's number of masks hold it."""


def regions_of(data: Avatars) -> dict[str, str]:
    """Give each part a box, for all styles together (`eyes`) and for each of them (`micah_eyes`)."""
    found = {}
    for place, part in enumerate(data.parts):
        masks = data.masks[:, place]
        found[part] = box_of(masks)
        for label, style in enumerate(data.attributes["style"]):
            found[f"{style.replace('-', '_')}_{part}"] = box_of(masks[data.labels[:, 0] == label])
    return found


def box_of(masks: NDArray[np.bool_]) -> str:
    """Draw the smallest box around the pixels that are in enough of the masks (n, h, w)."""
    heat = masks.mean(axis=0)
    rows, columns = (np.flatnonzero((heat >= SHARE * heat.max()).any(axis=axis)) for axis in (1, 0))
    height, width = heat.shape
    top, left = rows[0] / height, columns[0] / width
    return f"box:{top:g},{left:g},{(rows[-1] + 1) / height - top:g},{(columns[-1] + 1) / width - left:g}"
