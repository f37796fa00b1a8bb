"""Reading photographs: every mode, colour, shape and file of theirs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, PngImagePlugin
from zoo_adapters.dcgan.adapter import DCGAN

from zoo import OptionError
from zoo._utils.pictures import PictureError
from zoo.imaging.frames import Frame
from zoo.imaging.photographs import centre_frame, read_photograph, resample, to_srgb
from zoo.inversion.pictures import PictureReader, find_files

GREEN = (10, 200, 30)


def solid(mode: str) -> Image.Image:
    return Image.new("RGB", (8, 8), GREEN).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "P"])
def test_colours_of_any_mode_are_the_same(mode: str) -> None:
    seen = np.array(to_srgb(solid(mode)).getpixel((3, 3)))
    assert np.abs(seen - GREEN).max() <= (25 if mode == "P" else 12)  # a palette has few colours


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I", "I;16"])
def test_grey_of_any_depth_is_widened(mode: str) -> None:
    white: int | tuple[int, ...] = (255, 255) if mode == "LA" else 65535 if mode.startswith("I") else 255
    image = Image.new(mode, (4, 4), white)
    assert to_srgb(image).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_keep_their_shades(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 257 * 100, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert read_photograph(tmp_path / "deep.png").getpixel((0, 0)) == (100, 100, 100)


def test_numbers_without_a_known_white_are_refused() -> None:
    with pytest.raises(PictureError, match="floating point"):
        to_srgb(Image.new("F", (4, 4)))
    with pytest.raises(PictureError, match="16 bits"):
        to_srgb(Image.new("I", (4, 4), 70_000))


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    assert to_srgb(Image.new("RGBA", (4, 4), (255, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)
    assert to_srgb(Image.new("RGBA", (4, 4), (255, 0, 0, 128))).getpixel((0, 0)) == (255, 127, 127)
    assert to_srgb(Image.new("LA", (4, 4), (0, 0))).getpixel((0, 0)) == (255, 255, 255)
    palette = Image.new("RGB", (4, 4), GREEN).convert("P")
    palette.save(tmp_path / "clear.gif", transparency=palette.getpixel((0, 0)))
    assert read_photograph(tmp_path / "clear.gif").getpixel((0, 0)) == (255, 255, 255)


def test_a_colour_profile_is_followed(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    lab = Image.merge("LAB", [Image.new("L", (4, 4), level) for level in (255, 128, 128)])
    assert np.asarray(to_srgb(lab)).min() >= 250
    wrong = solid("RGB")
    wrong.info["icc_profile"] = profile  # of other colours than the picture has
    assert to_srgb(wrong).getpixel((0, 0)) == GREEN
    wrong.info["icc_profile"] = b"nonsense"
    assert to_srgb(wrong).getpixel((0, 0)) == GREEN


def test_the_first_frame_of_an_animation_turned_as_its_camera_was_held(tmp_path: Path) -> None:
    frames = [Image.new("L", (6, 4), level) for level in (10, 200)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert read_photograph(tmp_path / "moving.gif").getpixel((0, 0)) == (10, 10, 10)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save(tmp_path / "turned.png", exif=exif)
    assert read_photograph(tmp_path / "turned.png").size == (4, 6)


def test_resampling_by_area_keeps_the_mean_to_a_fraction_of_a_pixel() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))
    exact = torch.from_numpy(np.asarray(image)[:, 10:60].astype(np.float32)).movedim(-1, 0)
    frame = centre_frame((50, 70), (50, 50))
    assert frame == Frame.upright(10, 0, 50, 50)
    assert torch.allclose((resample(image, frame, (50, 50)) + 1) * 127.5, exact, atol=1e-3)
    small = resample(image, centre_frame((50, 70), (16, 16)), (16, 16))  # 3.125 pixels in each
    assert torch.allclose(small.mean(dim=(1, 2)), (exact / 127.5 - 1).mean(dim=(1, 2)), atol=1e-5)
    large = resample(image, frame, (128, 128))
    assert abs(float(large.mean() - (exact / 127.5 - 1).mean())) < 0.01


def test_a_picture_of_the_models_own_size_is_taken_as_it_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "own.png")
    reader = PictureReader(DCGAN.tiny(0))
    [from_file] = reader.read(tmp_path / "own.png")
    [from_array] = reader.read(pixels)
    assert torch.allclose(from_file.pixels, from_array.pixels, atol=1e-6)
    assert from_file.note() is None and from_array.note() is None
    [wide] = reader.read(np.concatenate([pixels, pixels], axis=1))
    assert wide.note() == "picture 0 has 16 x 32 pixels: the middle 16 x 16 pixels of it are taken"


def test_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "inner").mkdir()
    assert [path.name for path in find_files([tmp_path, tmp_path / "b.png"])] == ["a.JPG", "b.png"]
    assert [path.name for path in find_files([str(tmp_path / "*.png")])] == ["b.png"]
    (tmp_path / "[1].png").touch()
    assert [path.name for path in find_files([tmp_path / "[1].png"])] == ["[1].png"]
    with pytest.raises(OptionError, match="there is no file with an ending"):
        PictureReader(DCGAN.tiny(0)).read(tmp_path / "inner")
    with pytest.raises(OptionError, match="no file fits"):
        find_files([tmp_path / "*.webp"])


def test_a_broken_picture_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("this is no picture")
    (tmp_path / "empty.png").touch()
    Image.new("RGB", (20, 20), GREEN).save(tmp_path / "good.png")
    reader = PictureReader(DCGAN.tiny(0))
    assert [target.name for target in reader.read(str(tmp_path))] == ["good.png"]
    assert sorted(Path(name).name for name in reader.skipped) == ["empty.png", "text.png"]
    with pytest.raises(OptionError, match=r"there is no picture to project: .*text\.png: "):
        PictureReader(DCGAN.tiny(0)).read(tmp_path / "text.png")


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((4, 4, 3)),
        np.zeros(4, dtype=np.uint8),
        np.zeros((4, 4, 2), dtype=np.uint8),
        np.zeros((0, 4, 3), dtype=np.uint8),
        torch.zeros(16, 16),
        torch.zeros(3, 16, 16, dtype=torch.uint8),
        torch.full((3, 16, 16), torch.nan),
    ],
    ids=["float", "one axis", "two channels", "no pixel", "no channels", "integers", "nan"],
)
def test_arrays_that_are_no_pictures(given: object) -> None:
    with pytest.raises(OptionError, match="picture"):
        PictureReader(DCGAN.tiny(0)).read(given)  # type: ignore[arg-type]


def test_a_small_file_of_many_pixels_is_left_out(tmp_path: Path) -> None:
    Image.new("1", (12_000, 12_000)).save(tmp_path / "bomb.png", pnginfo=PngImagePlugin.PngInfo())
    reader = PictureReader(DCGAN.tiny(0))
    with pytest.raises(OptionError, match=r"bomb\.png"):
        reader.read(tmp_path / "bomb.png")
