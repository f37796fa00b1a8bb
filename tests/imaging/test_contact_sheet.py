from operator import length_hint
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops

from tests.support.marks import mostly_long
from zoo.editing.edit import MOST_STRENGTHS
from zoo.editing.edited import MOST_PICTURES
from zoo.editing.run_folder import is_picture
from zoo.imaging.contact_sheet import MAX_PAGE_SIDE, _lay_out, draw_grid, draw_pages, save_pages
from zoo.imaging.images import OutlinedImage
from zoo.imaging.lettering import fold, legible, text_width


def names(count: int) -> list[str]:
    return [f"row {index}" for index in range(count)]


def strips(count: int, tiles: int = 7, size: int = 64) -> list[list[OutlinedImage]]:
    """Strips whose tiles are plain colours that tell strip and tile."""
    return [
        [
            OutlinedImage(torch.full((size, size, 3), 0, dtype=torch.uint8) + colour(index, place))
            for place in range(tiles)
        ]
        for index in range(count)
    ]


def colour(index: int, place: int) -> torch.Tensor:
    return torch.tensor([index % 250, place, index // 250], dtype=torch.uint8)


def found(pages: list[Image.Image], texts: list[str], tiles: int, side: int, block: int = 1) -> list[list[int]]:
    """Read the colours back: which strip and tile stands where, in reading order of pages, columns and rows."""
    layout = _lay_out(texts, ["a"] * tiles, (side, side), tiles, block=block)
    seen = []
    for page in pages:
        pixels = np.asarray(page)
        for left in range(0, page.width, layout.column_width):
            for top in range(layout.header_height, page.height, layout.row_height):
                part = [pixels[top + 5, left + place + 5].tolist() for place in layout.lefts]
                if part[0] != [255, 255, 255]:
                    seen.append([part[0][0] + 250 * part[0][2], *[value[1] for value in part]])
    return seen


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (12, 1), (64, 1), (400, 4)])
def test_every_tile_is_shown_once_and_in_order(count: int, pages: int) -> None:
    drawn = list(draw_pages(names(count), strips(count, size=16), ["a"] * 7))
    assert len(drawn) == pages
    assert found(drawn, names(count), 7, 128) == [[index, *range(7)] for index in range(count)]


SIZES = [(7, 64), (1, 64), (3, 512), (13, 32)]


@pytest.mark.parametrize(("tiles", "size"), mostly_long(SIZES, (SIZES[0], SIZES[3])))
def test_pages_are_of_a_size_to_look_at(tiles: int, size: int) -> None:
    for count in (2, 20, 64):
        page = next(draw_pages(names(count), strips(count, tiles, size), ["a"] * tiles))
        assert max(page.size) <= MAX_PAGE_SIDE
        assert page.height <= 2 * page.width or page.width > MAX_PAGE_SIDE / 2


def test_blocks_stay_together() -> None:
    """Blocks of 7 strips, as many as one column cannot hold: every column holds whole blocks."""
    drawn = list(draw_pages(names(7 * 9), strips(7 * 9), ["a"] * 7, block=7))
    assert len(drawn) == 1
    assert found(drawn, names(63), 7, 128, block=7) == [[index, *range(7)] for index in range(7 * 9)]
    assert (drawn[0].height - 28 + 2) % (7 * 130) == 0


def test_a_block_higher_than_a_page_is_shown_whole() -> None:
    drawn = list(draw_pages(names(64), strips(64, 2), ["a"] * 2, block=32))
    assert found(drawn, names(64), 2, 128, block=32) == [[index, 0, 1] for index in range(64)]
    assert all((page.height - 28 + 2) % (32 * 130) == 0 for page in drawn)


@pytest.mark.parametrize("grid", [False, True])
def test_the_largest_edit_is_shown_on_less_than_a_hundred_pages(grid: bool) -> None:
    for side in (128, 192, 256):
        for tiles in (1, 2, 7, MOST_STRENGTHS):
            count = MOST_PICTURES // tiles
            layout = _lay_out(["row"] * count, ["a"], (side, side), tiles, block=tiles if grid else 1)
            assert -(-count // (layout.rows * layout.columns)) < 100


def test_long_names_are_shown_whole_beside_their_tiles() -> None:
    """Rows grow with the longest name: nothing is cut, and nothing is written over a picture."""
    long = "a_very_long_attribute_name_without_any_space\nscore 1.5\n" + "and words that go on and on " * 5
    texts = [long, "short"]
    [page] = draw_pages(texts, strips(2), ["a"] * 7)
    layout = _lay_out(texts, ["a"] * 7, (128, 128), 7)
    assert layout.row_height > 130
    assert "".join(layout.names[0]).replace(" ", "") == long.replace("\n", "").replace(" ", "")
    assert max(map(text_width, layout.names[0])) < layout.lefts[0]
    assert found([page], texts, 7, 128) == [[index, *range(7)] for index in range(2)]
    beside = page.crop((0, layout.header_height, layout.lefts[0], layout.header_height + layout.row_height))
    ink = ImageChops.invert(beside.convert("L")).getbbox()
    assert ink is not None and ink[2] < layout.lefts[0] and ink[3] > len(layout.names[0]) * 18


def test_headers_are_folded_over_their_pictures() -> None:
    header = "unseen code 0 (a class whose name is longer than its picture is wide)"
    layout = _lay_out(["row"], [header, "b"], (128, 128), 2)
    assert len(layout.headers[0]) > 1 and max(map(text_width, layout.headers[0])) <= 128
    assert layout.header_height == 20 * len(layout.headers[0]) + 8


def test_pages_are_drawn_one_at_a_time() -> None:
    """400 strips fill four pages; the first takes no more of them than it holds."""
    told: list[tuple[int, int, str]] = []
    left = iter(strips(400, size=16))
    pages = draw_pages(names(400), left, ["a"] * 7, progress=lambda *call: told.append(call))
    next(pages)
    assert length_hint(left) >= 270
    assert told == [(0, 4, "writing sheets")]
    assert len(list(pages)) == 3
    assert told == [(done, 4, "writing sheets") for done in range(5)]


def test_a_sheet_says_if_its_pictures_are_reduced() -> None:
    """A line below; none where pictures are shown in full, or enlarged."""
    heights = {}
    for size, side in [(512, None), (512, 512), (512, 600), (64, None)]:
        [page] = draw_pages(["row"], strips(1, 2, size), ["a", "b"], side=side)
        heights[size, side] = page.height
    assert heights == {(512, None): 28 + 256 + 28, (512, 512): 28 + 512, (512, 600): 28 + 600, (64, None): 28 + 128}


def test_a_grid_shows_pictures_captions_and_notes() -> None:
    images = [row[0].pixels for row in strips(5, 1, 300)]
    plain = draw_grid(iter(images), 5, columns=3, side=300)
    assert plain.size == (3 * 302 - 2, 2 * 302 - 2)
    named = draw_grid(iter(images), 5, columns=3, captions=[f"seed {index}" for index in range(5)])
    assert named.size == (3 * 258 - 2, 2 * (258 + 20) - 2 + 28)
    for index in range(5):
        left, top = index % 3 * 258, index // 3 * 278
        assert named.getpixel((left + 128, top + 128)) == (index, 0, 0)
        assert named.crop((left, top + 256, left + 60, top + 276)).convert("L").getextrema()[0] < 100  # type: ignore[operator]


# Text


@pytest.mark.parametrize("width", [40, 100, 220])
def test_folded_text_fits_and_is_whole(width: int) -> None:
    text = "hair_colour, black to blond: a/very/long/path/of/things\nand words"
    lines = fold(text, width)
    assert max(map(text_width, lines)) <= width
    assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")


def test_words_are_broken_at_their_joints() -> None:
    assert fold("hair_colour_of_the_left_side", 100)[0].endswith("_")
    assert fold("w" * 50, 1) == ["w"] * 50


@pytest.mark.parametrize(
    ("text", "wanted"), [("é ö ą", "e o a"), ("3 × 4 − 2 – 1", "3 x 4 - 2 - 1"), ("髪 ±…", "? ±…"), ("a\nb", "a\nb")]
)
def test_what_the_font_lacks_is_replaced(text: str, wanted: str) -> None:
    assert legible(text) == wanted


# Files


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("sheet.png", False),
        ("seed-0007.png", True),
        ("code-0012_direction-2_00_-3.png", True),
        ("seed-0001_down_00_-3_across_02_+1e-05.png", True),
        ("unseen-0001_direction-0_04_+2.png", True),
        ("holiday.png", False),
        ("seed-7.png", False),
        ("code-0001_../x.png", False),
        ("samples.png.txt", False),
    ],
)
def test_names_of_pictures(name: str, ours: bool) -> None:
    assert is_picture(name) == ours


def test_names_of_pages(tmp_path: Path) -> None:
    save_pages(tmp_path, "sheet", [Image.new("RGB", (2, 2))] * 3)
    assert {file.name for file in tmp_path.iterdir()} == {"sheet.png", "sheet-2.png", "sheet-3.png"}
