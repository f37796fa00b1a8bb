"""Tabulate the masks of the parts of avatars, by the values that decide where a part is.

    python -m recipes.masks DATA

DATA is a folder of `python -m recipes.avatars`, with pictures of 64 x 64 pixels or more. The table is written beside
the scorer `avatars`, which looks up in it the masks of pictures whose values it has read. It is made of `val`, and its
overlap with the true masks (intersection over union) is measured on `test`.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from zoo_scorers.avatars.masks import FILE, INDEXED_BY, PARTS

from recipes.avatars import Avatars, read
from zoo._utils.files import atomic_file

# A pixel belongs to a part if so many of the pictures with these values have it: half of them where there is one
# drawing, and a third where there are two.
SHARE = 1 / 3


def tabulate(data: Avatars) -> NDArray[np.bool_]:
    """Return the masks (values of each of `INDEXED_BY`, parts, h, w)."""
    columns = [list(data.attributes).index(name) for name in INDEXED_BY]
    shape = tuple(len(data.attributes[name]) for name in INDEXED_BY)
    index = np.ravel_multi_index(tuple(data.labels[:, columns].T), shape)
    masks = data.masks[:, [data.parts.index(part) for part in PARTS]]
    table = [masks[index == one].mean(axis=0) >= SHARE for one in range(int(np.prod(shape)))]
    return np.stack(table).reshape(*shape, *masks.shape[1:])


def overlaps(table: NDArray[np.bool_], data: Avatars) -> dict[str, float]:
    """Return the mean intersection over union of the table's masks and the true ones, where a part is seen."""
    columns = [list(data.attributes).index(name) for name in INDEXED_BY]
    found: NDArray[np.bool_] = table[tuple(data.labels[:, columns].T)]
    true: NDArray[np.bool_] = data.masks[:, [data.parts.index(part) for part in PARTS]]
    both = np.logical_and(found, true).sum(axis=(2, 3))
    either = np.logical_or(found, true).sum(axis=(2, 3))
    seen = true.sum(axis=(2, 3)) > 0
    return {
        part: float((both[:, one] / np.maximum(either[:, one], 1))[seen[:, one]].mean())
        for one, part in enumerate(PARTS)
    }


def main() -> None:
    """Write the table, and print its overlap with the true masks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of python -m recipes.avatars")
    table = tabulate(read(parser.parse_args().data, "val"))
    packed = io.BytesIO()
    np.savez_compressed(packed, shape=np.array(table.shape), masks=np.packbits(table))
    with atomic_file(FILE) as partial:
        partial.write_bytes(packed.getvalue())
    print(f"{FILE}: {len(packed.getvalue()) / 1024:.0f} KiB")
    for part, overlap in overlaps(table, read(parser.parse_args().data, "test")).items():
        print(f"{part}: {overlap:.3f}")


if __name__ == "__main__":
    main()
