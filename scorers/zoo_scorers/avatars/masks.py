"""Where the parts of an avatar are: a table of masks, by the values that decide it, from the true masks of drawings."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from zoo_scorers.avatars.card import FOLDER

# `recipes/masks.py` writes the file.
FILE = FOLDER / "masks.npz"

# The parts that have masks.
PARTS = ("eyes", "mouth", "hair", "glasses")

# The attributes whose values decide where the parts are; colours do not.
INDEXED_BY = ("style", "hair", "glasses", "eyes", "mouth")


@cache
def _table() -> Tensor:
    """Read the table (values of each of `INDEXED_BY`, parts, side, side) of bool."""
    with np.load(FILE, allow_pickle=False) as stored:
        shape = tuple(int(size) for size in stored["shape"])
        bits = np.unpackbits(stored["masks"])[: int(np.prod(shape))]
    return torch.from_numpy(bits.reshape(shape).astype(bool))


def masks_of(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Look up masks.

    Args:
        values: Indices of the values of `INDEXED_BY` (n, 5).
        size: Height and width of the masks.

    Returns:
        (n, parts, h, w) of bool. A pixel of a smaller picture belongs to a part if any of those that it covers does.
    """
    masks = _table()[tuple(values.T)]
    if masks.shape[2:] == size:
        return masks
    return functional.adaptive_max_pool2d(masks.float(), size) > 0
