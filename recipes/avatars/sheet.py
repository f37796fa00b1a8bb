"""Draw a contact sheet of the test images: ``python -m recipes.avatars.sheet DIR sheet.png``.

Each style has two rows: some of its images, and their masks, with the parts in colours over the darkened image.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recipes.avatars.data import Avatars, read

# Parts are painted in this order.
COLOURS = {"hair": (60, 190, 90), "eyes": (80, 150, 255), "mouth": (240, 80, 80), "glasses": (250, 210, 60)}


def coloured(avatars: Avatars, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Paint the parts of some images, (n, size, size, 3)."""
    painted = avatars.images[indices] // 4
    for part, colour in COLOURS.items():
        painted[avatars.masks[indices, avatars.parts.index(part)]] = colour
    return painted


def sheet(avatars: Avatars, columns: int, enlarge: int) -> Image.Image:
    """Lay out ``columns`` images of each style, and their masks below them."""
    rows = []
    for style in range(len(avatars.attributes["style"])):
        indices = np.flatnonzero(avatars.labels[:, 0] == style)[:columns]
        rows += [np.concatenate(list(row), axis=1) for row in (avatars.images[indices], coloured(avatars, indices))]
    pixels = np.concatenate(rows)
    return Image.fromarray(pixels.repeat(enlarge, axis=0).repeat(enlarge, axis=1))


def main() -> None:
    """Read the command line and draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of python -m recipes.avatars")
    parser.add_argument("out", type=Path, help="the PNG to write")
    parser.add_argument("--columns", type=int, default=10, help="images of each style")
    parser.add_argument("--enlarge", type=int, default=2, help="side of a pixel")
    args = parser.parse_args()
    sheet(read(args.data, "test"), args.columns, args.enlarge).save(args.out, optimize=True)


if __name__ == "__main__":
    main()
