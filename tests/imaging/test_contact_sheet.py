from operator import length_hint
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.editing.edit import MOST_PICTURES, MOST_STRENGTHS
from zoo.editing.run_folder import RUN_FILES
from zoo.imaging.contact_sheet import MAX_PAGE_SIDE, SheetRow, _lay_out, draw_pages, save_pages
from zoo.imaging.images import OutlinedImage


def strips(count: int, tiles: int = 7, size: int = 64) -> list[SheetRow]:
    """Strips whose tiles are plain colours that tell strip and tile."""
    return [
        SheetRow(
            f"row {index}",
            [
                OutlinedImage(torch.full((size, size, 3), 0, dtype=torch.uint8) + colour(index, place))
                for place in range(tiles)
            ],
        )
        for index in range(count)
    ]


def colour(index: int, place: int) -> torch.Tensor:
    return torch.tensor([index % 250, place, index // 250], dtype=torch.uint8)


def found(pages: list[Image.Image], tiles: int, side: int) -> list[list[int]]:
    """Read the colours back: which strip and tile stands where, in reading order of pages, columns and rows."""
    seen = []
    for page in pages:
        pixels = np.asarray(page)
        column = 150 + tiles * (side + 2) - 2 + 16
        for left in range(0, page.width, column):
            for top in range(26, page.height, side + 2):
                part = [pixels[top + 5, left + 150 + place * (side + 2) + 5].tolist() for place in range(tiles)]
                if part[0] != [255, 255, 255]:
                    seen.append([part[0][0] + 250 * part[0][2], *[value[1] for value in part]])
    return seen


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (12, 1), (64, 1), (400, 5)])
def test_every_tile_is_shown_once_and_in_order(count: int, pages: int) -> None:
    drawn = list(draw_pages(strips(count), count, ["a"] * 7))
    assert len(drawn) == pages
    assert found(drawn, 7, 128) == [[index, *range(7)] for index in range(count)]


@pytest.mark.parametrize(("tiles", "size"), [(7, 64), (1, 64), (3, 512), (13, 32)])
def test_pages_are_of_a_size_to_look_at(tiles: int, size: int) -> None:
    for count in (2, 20, 64, 200):
        page = next(draw_pages(strips(count, tiles, size), count, ["a"] * tiles))
        assert max(page.size) <= MAX_PAGE_SIDE
        assert page.height <= 1.5 * page.width or page.width > MAX_PAGE_SIDE / 2


def test_blocks_stay_together() -> None:
    """Blocks of 7 strips, as many as one column cannot hold: every column holds whole blocks."""
    drawn = list(draw_pages(strips(7 * 9), 7 * 9, ["a"] * 7, block=7))
    assert len(drawn) == 1
    assert found(drawn, 7, 128) == [[index, *range(7)] for index in range(7 * 9)]
    assert (drawn[0].height - 26 + 2) % (7 * 130) == 0


def test_a_block_higher_than_a_page_is_shown_whole() -> None:
    drawn = list(draw_pages(strips(64, 2), 64, ["a"] * 2, block=32))
    assert found(drawn, 2, 128) == [[index, 0, 1] for index in range(64)]
    assert all((page.height - 26 + 2) % (32 * 130) == 0 for page in drawn)


@pytest.mark.parametrize("grid", [False, True])
def test_the_largest_edit_fits_on_the_pages_there_are(grid: bool) -> None:
    for side in (128, 192, 256):
        for tiles in range(1, MOST_STRENGTHS + 1):
            count = MOST_PICTURES // tiles
            layout = _lay_out((side, side), tiles, count, 1, tiles if grid else 1)
            pages = -(-count // (layout.rows * layout.columns))
            assert pages == 1 or f"sheet-{pages}.png" in RUN_FILES


def test_long_names_stay_beside_their_tiles() -> None:
    strip = SheetRow("a name that goes on and on and " * 20, strips(1)[0].tiles)
    [page] = draw_pages([strip], 1, ["a"] * 7)
    assert found([page], 7, 128) == [[0, *range(7)]]
    assert page.height == 26 + 128


def test_pages_are_drawn_one_at_a_time() -> None:
    """400 strips fill five pages; the first takes no more of them than it holds."""
    told: list[tuple[int, int, str]] = []
    left = iter(strips(400))
    pages = draw_pages(left, 400, ["a"] * 7, progress=lambda *call: told.append(call))
    next(pages)
    assert length_hint(left) >= 300
    assert told == [(0, 5, "writing sheets")]
    assert len(list(pages)) == 4
    assert told == [(done, 5, "writing sheets") for done in range(6)]


def test_names_of_pages(tmp_path: Path) -> None:
    save_pages(tmp_path, "sheet", [Image.new("RGB", (2, 2))] * 3)
    assert {file.name for file in tmp_path.iterdir()} == {"sheet.png", "sheet-2.png", "sheet-3.png"}
