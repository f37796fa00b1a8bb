"""Contact sheets: named strips of tiles under each other, in columns, on as many pages as they need."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from zoo._utils.progress import Progress, silent
from zoo.imaging.images import GAP, INK, PAPER, OutlinedImage, to_picture

LARGEST_SIDE = 4096
"""Pixels: no page is wider or higher, unless a single strip or block is."""

_TALLEST = 1.5
_WIDE_GAP = 16
_HEADER = 26
_LABEL = 150
_LETTERS = 18


@dataclass(frozen=True, eq=False)
class SheetRow:
    """A row of a sheet: a name of one or more lines, and tiles, all of one size."""

    name: str
    tiles: Sequence[OutlinedImage]


@dataclass(frozen=True)
class _Layout:
    """Where things go, in pixels: tiles of a strip at `lefts`, strips `pitch` apart, `rows` of them to a column."""

    lefts: tuple[int, ...]
    width: int
    pitch: int
    rows: int
    columns: int


def draw_pages(
    strips: Iterable[SheetRow],
    count: int,
    headers: Sequence[str],
    *,
    group: int = 1,
    block: int = 1,
    progress: Progress = silent,
) -> Iterator[Image.Image]:
    """Draw `count` strips, down and then into the next column, on pages about as high as wide, one page at a time.

    Strips are taken one by one too, as they are drawn. `headers` stand over each `group` of tiles, with a gap between
    groups; `block` strips always stay together. `progress` counts the pages that were taken.
    """
    rest = iter(strips)
    first = next(rest)
    layout = _lay_out(to_picture(first.tiles[0]).size, len(first.tiles), count, group, block)
    size = layout.rows * layout.columns
    pages, rest = -(-count // size), chain([first], rest)
    for number in range(pages):
        progress(number, pages, "writing sheets")
        yield _draw(islice(rest, size), min(size, count - number * size), headers, layout, group)
    progress(pages, pages, "writing sheets")


def save_pages(folder: Path, stem: str, pages: Iterable[Image.Image]) -> None:
    """Write `STEM.png`, and further pages as `STEM-2.png`, `STEM-3.png` …"""
    for number, page in enumerate(pages, start=1):
        page.save(folder / (f"{stem}.png" if number == 1 else f"{stem}-{number}.png"), "PNG")


def _lay_out(size: tuple[int, int], tiles: int, strips: int, group: int, block: int) -> _Layout:
    """Add columns until the page is not much taller than wide, or has no room for another; pages take the rest."""
    width, pitch = size[0], size[1] + GAP
    wide = width + GAP
    lefts = tuple(_LABEL + place * wide + (place // group * _WIDE_GAP if group > 1 else 0) for place in range(tiles))
    column = lefts[-1] + width + _WIDE_GAP
    blocks, columns = -(-strips // block), 1
    while -(-blocks // columns) * block * pitch > _TALLEST * columns * column and (columns + 1) * column < LARGEST_SIDE:
        columns += 1
    most = max(1, (LARGEST_SIDE - _HEADER) // (block * pitch))
    return _Layout(lefts, column, pitch, min(most, -(-blocks // columns)) * block, columns)


def _draw(strips: Iterable[SheetRow], count: int, headers: Sequence[str], layout: _Layout, group: int) -> Image.Image:
    rows, columns = min(layout.rows, count), -(-count // layout.rows)
    size = (columns * layout.width - _WIDE_GAP, _HEADER + rows * layout.pitch - GAP)
    page = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for column in range(columns):
        for place, header in enumerate(headers):
            left = column * layout.width + layout.lefts[place * group]
            draw.text((left, 5), header, fill=INK, font=font)
    for index, strip in enumerate(strips):
        left, top = index // layout.rows * layout.width, _HEADER + index % layout.rows * layout.pitch
        most = max(1, (layout.pitch - 12) // 20)
        draw.multiline_text((left + 4, top + 4), _fold(strip.name, most), fill=INK, font=font, spacing=4)
        for place, tile in zip(layout.lefts, strip.tiles, strict=True):
            page.paste(to_picture(tile), (left + place, top))
    return page


def _fold(name: str, most: int) -> str:
    """Break a name into lines that fit beside the tiles, and cut it where there is no more room."""
    lines = [part for line in name.split("\n") for part in textwrap.wrap(line, _LETTERS) or [""]]
    return "\n".join(lines if len(lines) <= most else [*lines[: most - 1], "…"])
