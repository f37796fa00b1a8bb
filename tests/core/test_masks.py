"""Masks in picture files: the pixels that are meant, in every mode, or a question."""

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo import RegionError
from zoo.core.files import masks
from zoo.core.files.arrays import ReadingWarning
from zoo.core.region import parse_region

SIZE = (8, 12)
INSIDE = np.zeros(SIZE, dtype=bool)
INSIDE[2:5, 3:9] = True


def saved(tmp_path: Path, picture: Image.Image, name: str = "m.png", **options: Any) -> str:
    picture.save(tmp_path / name, **options)
    return f"mask:{tmp_path / name}"


def grey(inside: int, outside: int = 0, dtype: Any = np.uint8) -> Image.Image:
    return Image.fromarray(np.where(INSIDE, inside, outside).astype(dtype))


def colours(inside: Any, outside: Any = 0) -> Image.Image:
    picture = np.full((*SIZE, len(inside)), outside, dtype=np.uint8)
    picture[INSIDE] = inside
    return Image.fromarray(picture)


def with_palette(*palette: int, inside: int = 1, outside: int = 0) -> Image.Image:
    picture = grey(inside, outside)
    picture.putpalette(palette)
    assert picture.mode == "P"
    return picture


def read(region: str) -> Any:
    return parse_region(region, SIZE).mask


@pytest.mark.parametrize(
    "picture",
    [
        grey(255),
        grey(128, 127),
        grey(200),
        grey(255).convert("1"),
        grey(255).convert("RGB"),
        grey(255).convert("RGBA"),
        grey(255).convert("LA"),
        grey(255).convert("P"),
        with_palette(0, 0, 0, 255, 255, 255),
        with_palette(255, 255, 255, 0, 0, 0, inside=0, outside=1),  # the index of white is 0
        colours((255, 255, 255, 255)),  # white where it is opaque
        colours((255, 255, 255, 255), (255, 255, 255, 0)),  # the transparent pixels are white as well
        colours((255, 255), (255, 0)),
    ],
    ids=range(13),
)
def test_what_is_white_is_inside_in_every_mode(tmp_path: Path, picture: Image.Image) -> None:
    assert np.array_equal(read(saved(tmp_path, picture)), INSIDE)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (grey(1), "holds only 0 and 1: what is 1 is inside"),
        (grey(7), "holds only 0 and 7"),
        (grey(255, dtype=np.uint16), "holds only 0 and 255"),
        (grey(65535, dtype=np.uint16), "is read on a scale of 0 to 65535: what is 32768 or more is inside"),
        (colours((255, 0, 0)), "read by its colour: what is at least half as bright as #ff0000"),
        (colours((0, 0, 90)), "half as bright as #00005a"),
        (with_palette(0, 0, 0, 128, 0, 0), "half as bright as #800000"),
        (colours((0, 0, 0, 255)), "what is not transparent is inside"),
        (colours((90, 10, 160, 255), (255, 255, 255, 0)), "what is not transparent is inside"),
    ],
)
def test_other_masks_are_read_with_a_word(tmp_path: Path, picture: Image.Image, words: str) -> None:
    with pytest.warns(ReadingWarning, match=words):
        assert np.array_equal(read(saved(tmp_path, picture)), INSIDE)


def test_floating_point_values_from_0_to_1(tmp_path: Path) -> None:
    with pytest.warns(ReadingWarning, match="is read on a scale of 0 to 1: what is 0.5 or more is inside"):
        assert np.array_equal(read(saved(tmp_path, grey(1, dtype=np.float32), "m.tiff")), INSIDE)


def test_of_black_and_white_on_transparency_white_is_inside(tmp_path: Path) -> None:
    picture = np.asarray(grey(255).convert("RGBA")).copy()
    picture[6:] = 255, 255, 255, 0
    with pytest.warns(ReadingWarning, match="what is white is inside"):
        assert np.array_equal(read(saved(tmp_path, Image.fromarray(picture))), INSIDE)


def label_map(last: int) -> Any:
    picture = np.zeros(SIZE, dtype=np.uint8)
    picture[INSIDE] = 3
    picture[6:, :4] = 5
    picture[6:, 8:] = last
    return picture


@pytest.mark.parametrize("picture", [label_map(200), label_map(7), label_map(200).astype(np.uint16)])
def test_a_label_map_is_asked_about(tmp_path: Path, picture: Any) -> None:
    region = saved(tmp_path, Image.fromarray(picture))
    last = picture.max()
    with pytest.raises(RegionError, match=rf"holds 4 labels: choose one, as in FILE#3, .* there are 0, 3, 5, {last}"):
        read(region)
    assert np.array_equal(read(f"{region}#3"), INSIDE)
    assert np.array_equal(read(f"{region}#3-5"), (picture == 3) | (picture == 5))
    assert np.array_equal(read(f"not:{region}#0"), picture > 0)
    assert np.array_equal(read(f"{region}#3+{region}#{last}"), (picture == 3) | (picture == last))
    with pytest.raises(RegionError, match="has no pixel of the label 4: there are 0, 3, 5"):
        read(f"{region}#4")
    with pytest.raises(RegionError, match="has no label 'hair'"):
        read(f"{region}#hair")


def test_a_map_of_more_labels_than_shades_have_steps_is_asked_about(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).permutation(256)[:150].reshape(10, 15).astype(np.uint8)
    with pytest.raises(RegionError, match="holds 150 labels: choose one"):
        read(saved(tmp_path, Image.fromarray(labels.repeat(8, axis=0).repeat(8, axis=1))))
    with pytest.raises(RegionError, match="several are FILE#1-4"):
        read(f"mask:{tmp_path / 'm.png'}#3,1")


@pytest.mark.parametrize("size", [(256, 384), (1024, 1536)])
def test_a_wide_gradient_is_no_map_of_labels(tmp_path: Path, size: tuple[int, int]) -> None:
    rows = np.linspace(0, 255, size[0]).astype(np.uint8)[:, None]
    picture = Image.fromarray(rows.repeat(size[1], axis=1))
    with pytest.warns(ReadingWarning, match="resampled by area"):
        assert read(saved(tmp_path, picture)).sum() == SIZE[0] * SIZE[1] // 2


def test_labels_of_a_palette_in_colours_are_its_indices(tmp_path: Path) -> None:
    picture = Image.fromarray(label_map(7))
    palette = np.zeros((8, 3), dtype=int)
    palette[3], palette[5], palette[7] = (128, 0, 0), (0, 128, 0), (255, 255, 255)
    picture.putpalette(palette.flatten().tolist())
    region = saved(tmp_path, picture)
    with pytest.raises(RegionError, match="there are 0, 3, 5, 7"):
        read(region)
    assert np.array_equal(read(f"{region}#3"), INSIDE)


def test_a_colour_is_chosen_by_its_name(tmp_path: Path) -> None:
    picture = np.asarray(colours((255, 0, 0))).copy()
    picture[6:] = 0, 255, 0
    region = saved(tmp_path, Image.fromarray(picture))
    with pytest.raises(RegionError, match="holds 3 colours: choose one, as in FILE#ff0000; there are 000000, 00ff00"):
        read(region)
    assert np.array_equal(read(f"{region}#ff0000"), INSIDE)
    assert np.array_equal(read(f"{region}#FF0000"), INSIDE)
    with pytest.raises(RegionError, match="has no pixel of the label 0000ff"):
        read(f"{region}#0000ff")
    with pytest.raises(RegionError, match="has no label '3': there are 000000"):
        read(f"{region}#3")


def test_shades_along_edges_are_no_labels(tmp_path: Path) -> None:
    large = grey(255).resize((48, 32), Image.Resampling.BOX).rotate(7, Image.Resampling.BICUBIC)
    small = large.resize((12, 8), Image.Resampling.LANCZOS)
    assert len(np.unique(np.asarray(small))) > 2
    assert np.array_equal(read(saved(tmp_path, small)), np.asarray(small) >= 128)
    assert np.array_equal(read(saved(tmp_path, grey(255), "m.jpg")), INSIDE)


@pytest.mark.parametrize("factor", [2, 3, 10])
def test_a_mask_of_another_size_is_resampled_by_area(tmp_path: Path, factor: int) -> None:
    large = grey(255).resize((12 * factor, 8 * factor), Image.Resampling.NEAREST)
    with pytest.warns(ReadingWarning, match=f"by area from {8 * factor} x {12 * factor} to 8 x 12 pixels"):
        assert np.array_equal(read(saved(tmp_path, large)), INSIDE)


def test_half_of_a_pixel_is_enough(tmp_path: Path) -> None:
    large = np.zeros((16, 24), dtype=np.uint8)
    large[0, :2] = 255
    large[4, 4] = 255
    with pytest.warns(ReadingWarning, match="resampled"):
        assert np.argwhere(read(saved(tmp_path, Image.fromarray(large)))).tolist() == [[0, 0]]


def test_a_smaller_mask_is_enlarged(tmp_path: Path) -> None:
    with pytest.warns(ReadingWarning, match="by area from 4 x 6"):
        mask = read(saved(tmp_path, Image.fromarray(np.eye(4, 6, dtype=np.uint8) * 255)))
    assert np.array_equal(mask, np.eye(4, 6, dtype=bool).repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (grey(255).resize((8, 12)), r"has 12 x 8 pixels .* and the image 8 x 12"),
        (grey(255).resize((24, 8)), "has 8 x 24 pixels"),
        (grey(0), "black everywhere"),
        (grey(1, 1), "is 1 everywhere"),
        (colours((255, 255, 255, 0), (0, 0, 0, 0)), "transparent everywhere"),
        (
            Image.fromarray(np.arange(96, dtype=np.uint8).reshape(SIZE)),
            "values are 0 to 95; FILE#48-95",
        ),
        (Image.fromarray(np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)), "picture in colours"),
        (colours((255, 0, 0), (255, 255, 255)), "holds 2 colours"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path: Path, picture: Image.Image, words: str) -> None:
    with pytest.raises(RegionError, match=words):
        read(saved(tmp_path, picture))


def test_a_mask_without_dark_pixels_is_the_whole_image_and_it_is_said(tmp_path: Path) -> None:
    with pytest.warns(ReadingWarning, match="no dark pixel"):
        assert read(saved(tmp_path, grey(255, 254))).all()


def test_a_picture_that_was_turned_is_read_the_right_way_up(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    turned = grey(255).rotate(180)
    assert np.array_equal(read(saved(tmp_path, turned, exif=exif)), INSIDE)


def test_the_sign_of_a_union_may_be_in_a_name(tmp_path: Path) -> None:
    region = saved(tmp_path, grey(255), "a+b.png")
    assert np.array_equal(read(region), INSIDE)
    assert read(f"not:{region}+box:2,3,1,1").sum() == (~INSIDE).sum() + 1
    assert np.array_equal(read(f"{region}+{saved(tmp_path, grey(255), 'a.png')}"), INSIDE)


def test_the_sign_of_a_label_may_be_in_a_name(tmp_path: Path) -> None:
    assert np.array_equal(read(saved(tmp_path, grey(255), "m#3.png")), INSIDE)


@pytest.mark.parametrize("length", [0, 1, 8, 40, 60])
def test_a_broken_picture_is_refused(tmp_path: Path, length: int) -> None:
    region = saved(tmp_path, grey(255))
    (tmp_path / "m.png").write_bytes((tmp_path / "m.png").read_bytes()[:length])
    with pytest.raises(RegionError, match=r"cannot read .*m\.png: it is no readable PNG"):
        read(region)


def test_a_picture_of_very_many_pixels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    region = saved(tmp_path, grey(255))
    monkeypatch.setattr(masks, "_MOST_PIXELS", 50)
    with pytest.raises(RegionError, match="has 12 x 8 pixels, more than 50: make it smaller"):
        read(region)


@pytest.mark.parametrize(
    ("text", "union"),
    [
        ("mouth, eyes", "mouth+eyes"),
        ("mouth,eyes ,nose", "mouth+eyes+nose"),
        ("left, box:0,0,2,2", "left+box:0,0,2,2"),
        ("box:0,0,2,2, left", "box:0,0,2,2+left"),
        ("mask:a.png, left", "mask:a.png+left"),
        ("not:left,top", "left+top"),
    ],
)
def test_a_comma_suggests_a_union(text: str, union: str) -> None:
    with pytest.raises(RegionError) as raised:
        read(text)
    assert str(raised.value).endswith(f"a union is written {union}")


def test_ordinary_masks_need_no_word(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(saved(tmp_path, grey(255)))
        assert read(saved(tmp_path, grey(255, 255))).all()


def test_16_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    shades = np.linspace(0, 400, SIZE[0] * SIZE[1]).astype(np.uint16).reshape(SIZE)  # almost black
    for name in ("m.png", "m.tiff"):
        saved(tmp_path, Image.fromarray(shades), name)
    # Older versions of Pillow read such a file and do not write it.
    (tmp_path / "m.ppm").write_bytes(b"P5 %d %d 65535\n" % SIZE[::-1] + shades.astype(">u2").tobytes())
    for name in ("m.png", "m.tiff", "m.ppm"):
        with pytest.raises(RegionError, match=r"holds no pixel of 32768 or more: its values are 0 to 400"):
            read(f"mask:{tmp_path / name}")


def test_a_value_of_16_bits_may_be_transparent(tmp_path: Path) -> None:
    (tmp_path / "m.png").write_bytes(grey_png_with_transparency(np.where(INSIDE, 65535, 40000)))
    assert np.array_equal(read(f"mask:{tmp_path / 'm.png'}"), INSIDE)


def grey_png_with_transparency(values: Any) -> bytes:
    """Write a PNG of 16 bits, in which 40,000 is transparent."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">2I5B", SIZE[1], SIZE[0], 16, 0, 0, 0, 0)
    pieces = [(b"IHDR", header), (b"tRNS", struct.pack(">H", 40000)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in pieces]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
