"""Regions of an image: boxes, masks, names, unions and complements.

::

    region = term ("+" term)*                  the union
    term   = "not:" term                       the complement (binds to this term only)
           | "box:" top,left,height,width      numbers with a point are fractions of the image, integers are pixels
           | "mask:" FILE.png                  a picture of the image's size, without '+' in its name
           | "all" | "center" | "left" | "right" | "top" | "bottom"
           | a name from the model's card

Rows come before columns. A pixel belongs to a box when its centre does, and to a mask when it is 128 or brighter.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.core.common_regions import COMMON_REGIONS
from zoo.errors import RegionError, unknown_name

_SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class Region:
    """Some pixels of an image: `text` as it was asked for, `mask` (height, width) of bool, never empty."""

    text: str
    mask: NDArray[np.bool_] = field(repr=False)

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise RegionError(f"region {self.text}: a mask has shape (height, width) and holds bool")
        if not self.mask.any():
            height, width = self.mask.shape
            raise RegionError(f"region {self.text} holds no pixel of a {height}x{width} image")
        self.mask.setflags(write=False)

    @property
    def pixels(self) -> NDArray[np.intp]:
        """Row-major indices of the pixels inside, (p,)."""
        return np.flatnonzero(self.mask)

    @property
    def whole(self) -> bool:
        """Whether every pixel is inside."""
        return bool(self.mask.all())

    @property
    def small(self) -> bool:
        """Whether it takes at most an eighth of the image: what is quickest then is something else."""
        return 8 * len(self.pixels) <= self.mask.size

    def complement(self) -> Region:
        """Return every other pixel. Raises `RegionError` if there is none."""
        if self.whole:
            raise RegionError(f"region {self.text} is the whole image and has no complement")
        return Region(f"not:({self.text})", ~self.mask)


def parse_region(text: str, size: tuple[int, int], named: Mapping[str, str] | None = None) -> Region:
    """Read a region for an image of `size` (height, width); `named` holds the card's own regions.

    Raises `RegionError` for text that cannot be read, a box that leaves the image, a mask of another size or an empty
    region, and `UnknownNameError` for an unknown name.
    """
    known = {**COMMON_REGIONS, **(named or {})}
    try:
        return Region(text, _union(text, size, known, ()))
    except RecursionError:
        raise RegionError(f"region {text}: its terms are nested too deeply") from None


def _union(text: str, size: tuple[int, int], known: Mapping[str, str], within: tuple[str, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(size, dtype=np.bool_)
    for term in text.split("+"):
        mask |= _term(term.strip(), size, known, within)
    return mask


def _term(term: str, size: tuple[int, int], known: Mapping[str, str], within: tuple[str, ...]) -> NDArray[np.bool_]:
    kind, colon, rest = term.partition(":")
    if not term:
        raise RegionError("a region's text is empty or ends with '+': write for instance mouth, eyes+nose or not:mouth")
    if not colon:
        return _named(term, size, known, within)
    if kind == "not":
        return ~_term(rest.strip(), size, known, within)
    if kind == "box":
        return _box(term, rest, size)
    if kind == "mask":
        return _picture(term, Path(rest), size)
    raise RegionError(f"region {term}: {kind}: is no kind of region; there are box:, mask:, not: and names")


def _named(name: str, size: tuple[int, int], known: Mapping[str, str], within: tuple[str, ...]) -> NDArray[np.bool_]:
    if name not in known:
        raise unknown_name("region of this model", name, known)
    if name in within:
        raise RegionError(f"region {name} is defined by itself: {' -> '.join((*within, name))}")
    return _union(known[name], size, known, (*within, name))


def _box(term: str, numbers: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    parts = [part.strip() for part in numbers.split(",")]
    if len(parts) != 4:
        raise RegionError(f"region {term}: a box is box:top,left,height,width")
    height, width = size
    top, left, tall, wide = (
        _pixels(term, part, scale) for part, scale in zip(parts, (height, width, height, width), strict=True)
    )
    if tall <= 0 or wide <= 0:
        raise RegionError(f"region {term}: height and width must be above 0")
    if min(top, left) < 0 or top + tall > height + _SLACK or left + wide > width + _SLACK:
        raise RegionError(
            f"region {term} leaves the {height}x{width} image: rows {top:g} to {top + tall:g}, "
            f"columns {left:g} to {left + wide:g}"
        )
    rows = _inside(top, tall, height)
    columns = _inside(left, wide, width)
    return np.outer(rows, columns)


def _inside(start: float, length: float, count: int) -> NDArray[np.bool_]:
    centres = np.arange(count) + 0.5
    result: NDArray[np.bool_] = (centres >= start - _SLACK) & (centres < start + length - _SLACK)
    return result


def _pixels(term: str, number: str, scale: int) -> float:
    try:
        value = float(number) * scale if "." in number else float(int(number))
    except (ValueError, OverflowError):
        raise RegionError(f"region {term}: {number!r} is not a number") from None
    if not math.isfinite(value):
        raise RegionError(f"region {term}: {number!r} is not a finite number")
    return value


def _picture(term: str, path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path)
        with image:
            found = (image.height, image.width)
            if found != size:
                raise RegionError(
                    f"region {term}: the mask is {found[0]}x{found[1]} (rows x columns), the image {size[0]}x{size[1]}"
                )
            return np.asarray(image.convert("L")) >= 128
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else "it is not a picture"
        raise RegionError(f"region {term}: cannot read {path}: {cause}") from None
