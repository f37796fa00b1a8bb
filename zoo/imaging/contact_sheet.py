"""Contact sheets: named rows of images under each other, in columns, on as many pages as they need."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from zoo._utils.progress import Progress, silent
from zoo.imaging.images import GAP, INK, PNG_LEVEL, OutlinedImage, blank_sheet, to_picture

# Pixels. No page is wider or higher, unless a single row or block of rows is.
MAX_PAGE_SIDE = 4096

# A page is at most this many times as high as it is wide.
_MAX_ASPECT = 1.5

# Pixels: between groups and columns; of the headers' line; of the names beside the rows.
_GROUP_GAP = 16
_HEADER_HEIGHT = 26
_NAME_WIDTH = 150
# Characters of a name that fit into a line.
_NAME_CHARACTERS = 18


@dataclass(frozen=True, eq=False)
class SheetRow:
    """A row of a sheet.

    Attributes:
        name: What stands beside it, in one or more lines.
        tiles: The images, all of one size.
    """

    name: str
    tiles: Sequence[OutlinedImage]


@dataclass(frozen=True)
class _Layout:
    """Where things go, in pixels.

    Attributes:
        lefts: Where each image of a row begins.
        column_width: From one column of rows to the next.
        row_height: From one row to the next.
        rows: How many rows a column has.
        columns: How many columns a page has.
    """

    lefts: tuple[int, ...]
    column_width: int
    row_height: int
    rows: int
    columns: int


def draw_pages(
    rows: Iterable[SheetRow],
    count: int,
    headers: Sequence[str],
    *,
    group: int = 1,
    block: int = 1,
    progress: Progress = silent,
) -> Iterator[Image.Image]:
    """Draw rows down a column and then into the next one, on pages about as high as wide.

    Args:
        rows: The rows; they are taken one by one, as they are drawn.
        count: How many there are.
        headers: One over each group of images.
        group: Images of a row in a group; there is a gap between groups.
        block: Rows that stay together.
        progress: Called with (pages drawn, pages in all, what is being done).

    Yields:
        The pages, one at a time.
    """
    rest = iter(rows)
    first = next(rest)
    picture = to_picture(first.tiles[0])
    layout = _lay_out(picture.size, len(first.tiles), count, group, block)
    rows_per_page = layout.rows * layout.columns
    pages = -(-count // rows_per_page)
    rest = chain([first], rest)
    for page in range(pages):
        progress(page, pages, "writing sheets")
        rows_here = min(rows_per_page, count - page * rows_per_page)
        yield _draw(islice(rest, rows_per_page), rows_here, headers, layout, group, mode=picture.mode)
    progress(pages, pages, "writing sheets")


def save_pages(folder: Path, stem: str, pages: Iterable[Image.Image]) -> None:
    """Write `STEM.png`, and further pages as `STEM-2.png`, `STEM-3.png` and so on.

    Args:
        folder: The folder to write to.
        stem: The beginning of the files' names.
        pages: The pages.
    """
    for number, page in enumerate(pages, start=1):
        page.save(folder / (f"{stem}.png" if number == 1 else f"{stem}-{number}.png"), "PNG", compress_level=PNG_LEVEL)


def _lay_out(size: tuple[int, int], tiles: int, rows: int, group: int, block: int) -> _Layout:
    """Choose the number of columns of a page, and of rows in a column.

    Columns are added until the page is not much higher than wide, or has no room for another; further pages take the
    rest.
    """
    width = size[0]
    row_height = size[1] + GAP
    group_gap = _GROUP_GAP if group > 1 else 0
    lefts = tuple(_NAME_WIDTH + index * (width + GAP) + index // group * group_gap for index in range(tiles))
    column_width = lefts[-1] + width + _GROUP_GAP
    blocks = -(-rows // block)
    columns = 1
    while (
        -(-blocks // columns) * block * row_height > _MAX_ASPECT * columns * column_width
        and (columns + 1) * column_width < MAX_PAGE_SIDE
    ):
        columns += 1
    blocks_that_fit = max(1, (MAX_PAGE_SIDE - _HEADER_HEIGHT) // (block * row_height))
    return _Layout(lefts, column_width, row_height, min(blocks_that_fit, -(-blocks // columns)) * block, columns)


def _draw(
    rows: Iterable[SheetRow], count: int, headers: Sequence[str], layout: _Layout, group: int, *, mode: str
) -> Image.Image:
    columns = -(-count // layout.rows)
    height = _HEADER_HEIGHT + min(layout.rows, count) * layout.row_height - GAP
    page = blank_sheet((columns * layout.column_width - _GROUP_GAP, height), [mode])
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(14)
    for column in range(columns):
        for index, header in enumerate(headers):
            left = column * layout.column_width + layout.lefts[index * group]
            draw.text((left, 5), header, fill=INK, font=font)
    max_lines = max(1, (layout.row_height - 12) // 20)
    for index, row in enumerate(rows):
        left = index // layout.rows * layout.column_width
        top = _HEADER_HEIGHT + index % layout.rows * layout.row_height
        draw.multiline_text((left + 4, top + 4), _fold(row.name, max_lines), fill=INK, font=font, spacing=4)
        for offset, tile in zip(layout.lefts, row.tiles, strict=True):
            page.paste(to_picture(tile), (left + offset, top))
    return page


def _fold(name: str, max_lines: int) -> str:
    """Break a name into lines that fit beside the images, and cut it after `max_lines`."""
    lines = [part for line in name.split("\n") for part in textwrap.wrap(line, _NAME_CHARACTERS) or [""]]
    return "\n".join(lines if len(lines) <= max_lines else [*lines[: max_lines - 1], "…"])
