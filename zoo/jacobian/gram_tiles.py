"""Gram matrices per tile of the image: what is kept of a Jacobian that is too large to be kept itself.

The matrix of a region is then the sum over its tiles, so that a region snaps to tiles: a tile belongs to it when more
than half of its pixels do. So no tile belongs to a region and to its complement.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.core.region import Region
from zoo.jacobian.cache import CacheEntry, StoredColumns
from zoo.jacobian.column_buffer import BufferedColumns, read_rows

_NAME = "tiles"
_TOGETHER = 4
"""Tiles that are read from the columns at a time."""


def make_tiles(
    entry: CacheEntry,
    stretches: Sequence[StoredColumns | BufferedColumns],
    size: tuple[int, int],
    side: int,
    per_pixel: int,
) -> None:
    """Keep JᵀJ of each tile of `side` x `side` pixels: upper triangles in float32, J's own precision.

    `stretches` hold the columns of the whole image of `size` (height, width), `per_pixel` rows a pixel. A file holds a
    row of tiles; what belongs to all comes last. Raises `OutputError`.
    """
    height, width = size
    total = torch.zeros(0)
    for band, top in enumerate(range(0, height, side)):
        packed = []
        for left in range(0, width, side * _TOGETHER):
            right = min(left + side * _TOGETHER, width)
            lines = [
                read_rows(stretches, (y * width + left) * per_pixel, (y * width + right) * per_pixel)
                for y in range(top, min(top + side, height))
            ]
            for part in torch.stack(lines).to(torch.float64).split(side * per_pixel, dim=1):
                rows = part.flatten(0, 1)
                packed.append(_pack(rows.T @ rows))
        triangles = torch.stack(packed)
        total = triangles.to(torch.float64).sum(dim=0) + (total if band else 0)
        entry.write(_band(band), {"triangles": triangles})
    chunk = max(stretch.chunk for stretch in stretches)
    entry.write(_NAME, {"total": total, "facts": torch.tensor([height, width, side, per_pixel, chunk])})


def from_tiles(entry: CacheEntry, regions: Sequence[Region]) -> tuple[list[Tensor], int, tuple[str, ...]] | None:
    """Put the matrices of regions together from kept tiles: (matrices, chunk, a line for each that does not fit).

    None if there are no tiles, or a region has none.
    """
    kept = entry.read(_NAME, "total", "facts")
    if kept is None:
        return None
    height, width, side, per_pixel, chunk = kept["facts"].tolist()
    matrices, snapped = [], []
    for region in regions:
        inside = tiles_of(region.mask, side)
        most = inside.sum() > inside.size // 2
        found = _sum_of(entry, ~inside if most else inside, len(kept["total"])) if inside.any() else None
        if found is None:
            return None
        mask = np.kron(inside, np.ones((side, side), dtype=np.bool_))[:height, :width]
        matrices.append(_unpack(kept["total"] - found if most else found) / (int(mask.sum()) * per_pixel))
        if (strange := int((mask != region.mask).sum())) > 0:
            snapped.append(
                f"region {region.text} was taken as {int(inside.sum())} tiles of {side} x {side} pixels, which differ "
                f"from it in {strange} pixels"
            )
    return matrices, chunk, tuple(snapped)


def tiles_of(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Say which tiles of an image a mask (height, width) takes: (tiles down, tiles across)."""
    height, width = mask.shape
    down, across = -(-height // side), -(-width // side)
    padded = np.zeros((down * side, across * side))
    pixels = padded.copy()
    padded[:height, :width], pixels[:height, :width] = mask, 1
    share = [area.reshape(down, side, across, side).sum(axis=(1, 3)) for area in (padded, pixels)]
    taken: NDArray[np.bool_] = share[0] * 2 > share[1]
    return taken


def _sum_of(entry: CacheEntry, chosen: NDArray[np.bool_], length: int) -> Tensor | None:
    """Sum the triangles of some tiles (down, across) in float64; None if a file is gone."""
    total = torch.zeros(length, dtype=torch.float64)
    for band in np.flatnonzero(chosen.any(axis=1)):
        kept = entry.read(_band(int(band)), "triangles")
        if kept is None:
            return None
        for index in np.flatnonzero(chosen[band]):
            total += kept["triangles"][int(index)]
    return total


def _band(index: int) -> str:
    return f"{_NAME}-{index:04d}"


def _pack(matrix: Tensor) -> Tensor:
    rows, columns = torch.triu_indices(*matrix.shape)
    return matrix[rows, columns].to(torch.float32)


def _unpack(triangle: Tensor) -> Tensor:
    dim = int(((8 * len(triangle) + 1) ** 0.5 - 1) // 2)
    rows, columns = torch.triu_indices(dim, dim)
    matrix = torch.zeros(dim, dim, dtype=triangle.dtype)
    matrix[rows, columns] = triangle
    matrix[columns, rows] = triangle
    return matrix
