from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import RegionError, UnknownNameError
from zoo.core.region import parse_region

SIZE = (4, 6)


def rows(text: str, named: dict[str, str] | None = None) -> list[str]:
    mask = parse_region(text, SIZE, named).mask
    return ["".join("#" if inside else "." for inside in row) for row in mask]


def test_integers_are_pixels() -> None:
    assert rows("box:0,0,1,1") == ["#.....", "......", "......", "......"]
    assert rows("box:1,2,2,3") == ["......", "..###.", "..###.", "......"]


def test_numbers_with_a_point_are_fractions_and_pixels_are_in_a_box_if_their_centres_are() -> None:
    assert rows("box:0.25,0.5,0.5,0.5") == ["......", "...###", "...###", "......"]
    assert rows("box:0.0,0.0,0.374,0.24") == ["#.....", "......", "......", "......"]
    assert rows("box:0.0,0.0,0.376,0.26") == ["##....", "##....", "......", "......"]


def test_pixels_and_fractions_may_be_mixed() -> None:
    assert rows("box:0,0.5,1,3") == ["...###", "......", "......", "......"]


def test_union_and_complement() -> None:
    assert rows("box:0,0,1,1+box:3,5,1,1") == ["#.....", "......", "......", ".....#"]
    assert rows("not:top") == ["......", "......", "######", "######"]
    assert rows("not:top+box:0,0,1,1") == ["#.....", "......", "######", "######"]
    assert rows("not:not:left") == rows("left")


def test_names_of_the_card_may_use_names() -> None:
    named = {"eye": "box:1,1,1,1", "eyes": "eye+box:1,4,1,1", "rest": "not:eyes"}
    assert rows("eyes", named) == ["......", ".#..#.", "......", "......"]
    assert rows("rest", named)[1] == "#.##.#"


@pytest.mark.parametrize("name", ["all", "center", "left", "right", "top", "bottom"])
def test_every_model_has_the_common_regions(name: str) -> None:
    assert parse_region(name, (8, 8)).mask.any()
    assert parse_region("all", SIZE).whole


def test_pixels_are_row_major() -> None:
    assert parse_region("box:1,2,2,2", SIZE).pixels.tolist() == [8, 9, 14, 15]


def test_mask_counts_128_and_brighter(tmp_path: Path) -> None:
    grey = np.full(SIZE, 127, dtype=np.uint8)
    grey[2, 3:] = 128
    Image.fromarray(grey).save(tmp_path / "m.png")
    assert rows(f"mask:{tmp_path / 'm.png'}") == ["......", "......", "...###", "......"]


def test_complement() -> None:
    region = parse_region("top", SIZE)
    assert not (region.complement().mask & region.mask).any()
    with pytest.raises(RegionError, match="whole image"):
        parse_region("all", SIZE).complement()


def test_a_region_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        parse_region("top", SIZE).mask[0, 0] = False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("top+", "ends with"),
        ("box:1,2,3", "top,left,height,width"),
        ("box:0,0,0,2", "above 0"),
        ("box:0,0,5,2", "leaves the 4x6 image"),
        ("box:-1,0,1,1", "leaves"),
        ("box:0.5,0.0,0.6,1.0", "leaves"),
        ("box:0,0,x,1", "not a number"),
        ("box:0,0,nan,1", "not a number"),
        ("box:0.0,0.0,0.01,0.01", "holds no pixel"),
        ("not:all", "holds no pixel"),
        ("disc:1", "no kind of region"),
        ("mask:nowhere.png", "cannot read"),
        ("loop", "defined by itself"),
    ],
)
def test_errors_say_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(RegionError, match=words):
        parse_region(text, SIZE, {"loop": "loop+top"})


def test_near_misses_are_suggested() -> None:
    with pytest.raises(UnknownNameError, match="did you mean mouth"):
        parse_region("moth", SIZE, {"mouth": "top"})
