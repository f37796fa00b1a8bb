"""Contact sheets: named rows of images under each other, in columns, on as many pages as they need; and grids."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from zoo._utils.pixels import to_image
from zoo._utils.progress import Progress, silent
from zoo.imaging.images import GAP, OutlinedImage, blank_sheet, scaled, to_picture, write_png
from zoo.imaging.lettering import LINE_HEIGHT, fold, text_width, write

# Pixels. No page is wider or higher, unless a single row or block of rows is.
MAX_PAGE_SIDE = 4096

# A page is at most this many times as high as it is wide.
_MAX_ASPECT = 1.5

# Pixels: between groups and columns; around text; of the names beside the rows, at most.
_GROUP_GAP = 16
_MARGIN = 4
_MAX_NAME_WIDTH = 220

# Lines of a name that are shown, and the characters that they are taken from. Rows are as high as the longest name.
_MAX_NAME_LINES = 16
_MAX_NAME_CHARACTERS = 1000


@dataclass(frozen=True)
class _Layout:
    """Where things go, in pixels.

    Attributes:
        names: The lines of each row's name.
        headers: The lines over each group of images.
        header_height: The height of all headers.
        lefts: Where each image of a row begins.
        column_width: From one column of rows to the next.
        row_height: From one row to the next.
        rows: How many rows a column has.
        columns: How many columns a page has.
    """

    names: tuple[list[str], ...]
    headers: tuple[list[str], ...]
    header_height: int
    lefts: tuple[int, ...]
    column_width: int
    row_height: int
    rows: int
    columns: int


def draw_pages(
    names: Sequence[str],
    rows: Iterable[Sequence[OutlinedImage]],
    headers: Sequence[str],
    *,
    group: int = 1,
    block: int = 1,
    side: int | None = None,
    note: str = "",
    progress: Progress = silent,
) -> Iterator[Image.Image]:
    """Draw rows down a column and then into the next one, on pages about as high as wide.

    Args:
        names: What stands beside each row, in one or more lines; at least one row.
        rows: The images of each row, all of one size; they are taken one by one, as they are drawn.
        headers: One over each group of images.
        group: Images of a row in a group; there is a gap between groups.
        block: Rows that stay together.
        side: Pixels of the longer side of each picture; None is the usual size.
        note: What stands below each page, before a note of the size if pictures are reduced.
        progress: Called with (pages drawn, pages in all, what is being done).

    Yields:
        The pages, one at a time.
    """
    rest = iter(rows)
    first = next(rest)
    picture = to_picture(first[0], side)
    modes = {to_picture(tile, side).mode for tile in first}
    layout = _lay_out(names, headers, picture.size, len(first), group=group, block=block)
    note = f"{note} {size_note(first[0].pixels.shape[:2], picture.size)}".strip()
    rows_per_page = layout.rows * layout.columns
    pages = -(-len(names) // rows_per_page)
    rest = chain([first], rest)
    for page in range(pages):
        progress(page, pages, "writing sheets")
        start = page * rows_per_page
        texts = layout.names[start : start + rows_per_page]
        yield _draw(texts, islice(rest, len(texts)), layout, group, side=side, note=note, modes=modes)
    progress(pages, pages, "writing sheets")


def size_note(size: Sequence[int], shown: tuple[int, int]) -> str:
    """Say how large pictures are and how large they are shown, if they are reduced.

    Args:
        size: Their height and width, in pixels.
        shown: The width and height in which they are shown.

    Returns:
        A sentence; nothing if they are shown in their own size or enlarged.
    """
    height, width = size
    if max(height, width) <= max(shown):
        return ""
    return f"The pictures have {height} x {width} pixels; here they are reduced to {shown[1]} x {shown[0]}."


def save_pages(folder: Path, stem: str, pages: Iterable[Image.Image]) -> None:
    """Write `STEM.png`, and further pages as `STEM-2.png`, `STEM-3.png` and so on.

    Args:
        folder: The folder to write to.
        stem: The beginning of the files' names.
        pages: The pages.
    """
    for number, page in enumerate(pages, start=1):
        write_png(page, folder / (f"{stem}.png" if number == 1 else f"{stem}-{number}.png"))


def draw_grid(
    images: Iterable[Tensor],
    count: int,
    *,
    columns: int,
    captions: Sequence[str] = (),
    side: int | None = None,
    note: str = "",
) -> Image.Image:
    """Draw pictures side by side, row by row: of mode L or RGB, or RGBA with their transparency.

    Args:
        images: The pictures (h, w, c), uint8; they are taken one by one, as they are drawn.
        count: How many there are.
        columns: Pictures in a row.
        captions: What stands below each; without any, there is no room for it.
        side: Pixels of the longer side of each picture; None is the usual size.
        note: What stands below all of them, before a note of the size if pictures are reduced.

    Returns:
        The picture of all.
    """
    rest = iter(images)
    pixels = next(rest)
    first = scaled(to_image(pixels), side)
    width, height = first.size
    columns = min(columns, count)
    folded = [fold(caption, width - 2) for caption in captions]
    step = height + GAP + LINE_HEIGHT * max(map(len, folded), default=0)
    total_width = columns * (width + GAP) - GAP
    notes = _fold_note(f"{note} {size_note(pixels.shape[:2], first.size)}".strip(), total_width)
    total_height = -(-count // columns) * step - GAP
    grid = blank_sheet((total_width, total_height + _text_height(notes)), [first.mode])
    draw = ImageDraw.Draw(grid)
    for index, image in enumerate(chain([pixels], rest)):
        left, top = index % columns * (width + GAP), index // columns * step
        grid.paste(scaled(to_image(image), side), (left, top))
        if folded:
            write(draw, (left + 1, top + height), folded[index])
    write(draw, (_MARGIN, total_height + _MARGIN), notes)
    return grid


def _lay_out(
    names: Sequence[str], headers: Sequence[str], size: tuple[int, int], tiles: int, *, group: int = 1, block: int = 1
) -> _Layout:
    """Choose the number of columns of a page, and of rows in a column.

    Columns are added until the page is not much higher than wide, or has no room for another; further pages take the
    rest.
    """
    width = size[0]
    lines = tuple(_shortened(fold(name[:_MAX_NAME_CHARACTERS], _MAX_NAME_WIDTH)) for name in names)
    different = {line for each in lines for line in each}
    name_width = round(max(map(text_width, different), default=0)) + 3 * _MARGIN
    group_gap = _GROUP_GAP if group > 1 else 0
    lefts = tuple(name_width + index * (width + GAP) + index // group * group_gap for index in range(tiles))
    column_width = lefts[-1] + width + _GROUP_GAP
    folded = tuple(fold(header, group * (width + GAP) - GAP) for header in headers)
    header_height = _text_height(max(folded, key=len, default=[]))
    row_height = max(size[1], _text_height(max(lines, key=len))) + GAP
    blocks = -(-len(names) // block)
    columns = 1
    while (
        -(-blocks // columns) * block * row_height > _MAX_ASPECT * columns * column_width
        and (columns + 1) * column_width < MAX_PAGE_SIDE
    ):
        columns += 1
    blocks_that_fit = max(1, (MAX_PAGE_SIDE - header_height) // (block * row_height))
    rows = min(blocks_that_fit, -(-blocks // columns)) * block
    return _Layout(lines, folded, header_height, lefts, column_width, row_height, rows, columns)


def _draw(
    names: Sequence[list[str]],
    rows: Iterable[Sequence[OutlinedImage]],
    layout: _Layout,
    group: int,
    *,
    side: int | None,
    note: str,
    modes: Collection[str],
) -> Image.Image:
    columns = -(-len(names) // layout.rows)
    width = columns * layout.column_width - _GROUP_GAP
    height = layout.header_height + min(layout.rows, len(names)) * layout.row_height - GAP
    notes = _fold_note(note, width)
    page = blank_sheet((width, height + _text_height(notes)), modes)
    draw = ImageDraw.Draw(page)
    for column in range(columns):
        for index, header in enumerate(layout.headers):
            write(draw, (column * layout.column_width + layout.lefts[index * group], _MARGIN), header)
    for index, (name, tiles) in enumerate(zip(names, rows, strict=True)):
        left = index // layout.rows * layout.column_width
        top = layout.header_height + index % layout.rows * layout.row_height
        write(draw, (left + _MARGIN, top + _MARGIN), name)
        for offset, tile in zip(layout.lefts, tiles, strict=True):
            page.paste(to_picture(tile, side), (left + offset, top))
    write(draw, (_MARGIN, height + _MARGIN), notes)
    return page


def _text_height(lines: Sequence[str]) -> int:
    return len(lines) * LINE_HEIGHT + 2 * _MARGIN if any(lines) else 0


def _fold_note(note: str, width: int) -> list[str]:
    return fold(note, width - 2 * _MARGIN) if note else []


def _shortened(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _MAX_NAME_LINES else [*lines[: _MAX_NAME_LINES - 1], "…"]
