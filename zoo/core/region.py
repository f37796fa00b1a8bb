"""Regions of an image: boxes, masks, names, unions and complements.

::

    region = term ("+" term)*                  the union
    term   = "not:" term                       the complement (binds to this term only)
           | "box:" top,left,height,width      numbers with a point are fractions of the image, integers are pixels
           | "mask:" FILE ["#" LABEL]          a picture; of a label map, one label or colour
           | "all" | "center" | "left" | "right" | "top" | "bottom"
           | a name from the model's card

Rows come before columns. A pixel is in a box if its centre is, and in a mask if it is 128 or brighter;
`zoo.core.files.masks` has the rules for transparency, labels and colours.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo._utils.lookups import is_file
from zoo._utils.paths import expand_home
from zoo.core.common_regions import COMMON_REGIONS
from zoo.errors import RegionError, unknown_name

# Distances below this many pixels are rounding: 0.1 * 30 is not quite 3.
_TOLERANCE = 1e-9

# A name of a card can stand for names that stand for names …, so that a few lines could ask for any number of masks.
_MAX_TERMS = 200
_MAX_NESTED_NAMES = 16
_MAX_CHARACTERS = 4000
_MAX_SHOWN = 60


@dataclass(frozen=True, eq=False)
class Region:
    """A set of pixels of an image.

    Attributes:
        text: what the region is called: the text that it was parsed from.
        mask: (height, width) of bool; at least one pixel is True. It is made read-only.

    Raises:
        RegionError: the mask has another shape or dtype, or no pixel.

    """

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
        """The row-major indices of the region's pixels, (p,)."""
        return np.flatnonzero(self.mask)

    @property
    def whole(self) -> bool:
        """Whether the region is the whole image."""
        return bool(self.mask.all())

    @property
    def small(self) -> bool:
        """Whether the region is at most an eighth of the image; derivatives then run in other chunks and layouts."""
        return 8 * len(self.pixels) <= self.mask.size

    def complement(self) -> Region:
        """Return the region of all other pixels.

        Returns:
            The complement.

        Raises:
            RegionError: the region is the whole image.

        """
        if self.whole:
            raise RegionError(f"region {self.text} is the whole image and has no complement")
        return Region(f"not:({self.text})", ~self.mask)


def parse_region(
    text: str, size: tuple[int, int], named: Mapping[str, str] | None = None, *, opens_files: bool = True
) -> Region:
    """Read a region in the grammar of this module.

    Args:
        text: the region.
        size: (height, width) of the image, in pixels.
        named: the regions of the model's card, name to text, beside the common ones. A card comes from anywhere, so
            these may not name masks.
        opens_files: whether the text itself may name masks: not where it is from a file too.

    Returns:
        The region.

    Raises:
        RegionError: the text cannot be read, a box leaves the image, a mask has another size, or the region is empty.
        UnknownNameError: no region has that name.

    """
    if not isinstance(text, str):
        raise RegionError(
            f"a region is text such as 'mouth', 'box:8,8,16,16' or 'mask:FILE', not {type(text).__name__}"
        )
    try:
        return Region(text, _Parser(size, {**COMMON_REGIONS, **(named or {})}, opens_files).parse(text))
    except RecursionError:
        raise RegionError(f"region {text}: its terms are nested too deeply") from None


@dataclass(frozen=True)
class _Parser:
    """A recursive descent parser of regions of an image of `size`.

    `names` are those defined while it is inside; `count` numbers the terms, those within names included.
    """

    size: tuple[int, int]
    named: Mapping[str, str]
    opens_files: bool = True
    names: tuple[str, ...] = ()
    count: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def parse(self, text: str) -> NDArray[np.bool_]:
        if len(text) > _MAX_CHARACTERS:
            raise RegionError(f"region {_cut(text)}: its text is longer than {_MAX_CHARACTERS:,} characters")
        mask = np.zeros(self.size, dtype=np.bool_)
        for term in _split_union(text):
            mask |= self._parse_term(term.strip())
        return mask

    def _parse_term(self, term: str) -> NDArray[np.bool_]:
        if next(self.count) > _MAX_TERMS:
            whole = self.names[0] if self.names else term
            raise RegionError(f"region {whole}: it has more than {_MAX_TERMS} terms: make a mask of it")
        if not term:
            raise RegionError(
                "a region's text is empty or ends with '+': write for instance mouth, eyes+nose or not:mouth"
            )
        prefix, colon, rest = term.partition(":")
        if "," in prefix:
            raise RegionError(f"region {term}: a comma does not join regions{_union_hint(term)}")
        if not colon:
            return self._parse_name(term)
        if prefix == "not":
            return ~self._parse_term(rest.strip())
        if prefix == "box":
            return _parse_box(term, rest, self.size)
        if prefix == "mask" and not rest:
            raise RegionError(f"region {term}: a mask is mask:FILE, the path of a picture")
        if prefix == "mask":
            if self.names or not self.opens_files:
                raise RegionError(
                    f"region {self.names[0] if self.names else term}: the name of its mask, {rest}, comes from a file, "
                    "so that zoo does not open it: if you know it, pass it yourself as --region mask:FILE"
                )
            return _read_mask(term, Path(rest), self.size)
        raise RegionError(f"region {term}: {prefix}: is no kind of region; there are box:, mask:, not: and names")

    def _parse_name(self, name: str) -> NDArray[np.bool_]:
        if name not in self.named:
            raise unknown_name("region of this model", name, self.named)
        if name in self.names:
            raise RegionError(f"region {name} is defined by itself: {' -> '.join((*self.names, name))}")
        if len(self.names) == _MAX_NESTED_NAMES:
            raise RegionError(f"region {self.names[0]}: more than {_MAX_NESTED_NAMES} names stand for each other")
        return replace(self, names=(*self.names, name)).parse(self.named[name])


def _split_union(text: str) -> list[str]:
    """Split a union into its terms; the name of a mask's file that exists may hold a plus sign."""
    terms: list[str] = []
    parts = text.split("+")
    while parts:
        longest = len(parts) if "mask:" in parts[0] else 1
        count = next((n for n in range(longest, 1, -1) if _names_mask("+".join(parts[:n]))), 1)
        terms.append("+".join(parts[:count]))
        del parts[:count]
    return terms


def _names_mask(term: str) -> bool:
    from zoo.core.files.reading import split_name

    return is_file(split_name(expand_home(term.partition("mask:")[2].strip()))[0])


def _parse_box(term: str, numbers: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    parts = [part.strip() for part in numbers.split(",")]
    if len(parts) != 4:
        raise RegionError(f"region {term}: a box is box:top,left,height,width{_union_hint(term)}")
    top, left, height, width = (
        _parse_coordinate(term, part, length) for part, length in zip(parts, (*size, *size), strict=True)
    )
    if height <= 0 or width <= 0:
        raise RegionError(f"region {term}: height and width must be above 0")
    if min(top, left) < 0 or top + height > size[0] + _TOLERANCE or left + width > size[1] + _TOLERANCE:
        raise RegionError(
            f"region {term} leaves the {size[0]}x{size[1]} image: rows {top:g} to {top + height:g}, "
            f"columns {left:g} to {left + width:g}"
        )
    rows = _centres_within(top, height, size[0])
    columns = _centres_within(left, width, size[1])
    return np.outer(rows, columns)


def _centres_within(start: float, length: float, count: int) -> NDArray[np.bool_]:
    """Return which of `count` pixels have their centre in [start, start + length)."""
    centres = np.arange(count) + 0.5
    inside: NDArray[np.bool_] = (centres >= start - _TOLERANCE) & (centres < start + length - _TOLERANCE)
    return inside


def _cut(text: str) -> str:
    """Cut what is too long for a message."""
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]} …"


def _parse_coordinate(term: str, number: str, length: int) -> float:
    """Read a number of pixels, or with a point a fraction of `length` pixels."""
    try:
        value = float(number) * length if "." in number else float(int(number))
    except (ValueError, OverflowError):
        raise RegionError(f"region {_cut(term)}: {_cut(number)!r} is not a number") from None
    if not math.isfinite(value):
        raise RegionError(f"region {term}: {number!r} is not a finite number")
    return value


def _read_mask(term: str, path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    from zoo._utils.pictures import PictureError
    from zoo.core.files.arrays import MisfitError
    from zoo.core.files.masks import read_mask

    try:
        return read_mask(path, size)
    except PictureError as error:
        raise RegionError(f"region {term}: cannot read {path}: {error}{_union_hint(term)}") from None
    except MisfitError as error:
        raise RegionError(f"region {term}: the mask {error}") from None


def _union_hint(term: str) -> str:
    """Suggest the sign of a union where other signs seem to join regions; empty where none does."""
    union = re.sub(r"\s*(?:[,;&|]|\band\b)\s*(?=[a-zA-Z])", "+", term)
    return "" if union == term else f"; a union is written {union}"
