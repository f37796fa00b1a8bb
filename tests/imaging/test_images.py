"""Pictures of one, three and four channels: what is saved as it is, and what is shown on a ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from torch import Tensor

from tests.support.marks import mostly_long
from zoo.imaging.animation import save_animation, to_frame
from zoo.imaging.contact_sheet import draw_grid, draw_pages
from zoo.imaging.images import OutlinedImage, sprite, to_picture, to_pixels

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def noise(channels: int, count: int = 3, side: int = 128) -> Tensor:
    generator = torch.Generator().manual_seed(channels)
    return torch.randint(0, 256, (count, side, side, channels), generator=generator, dtype=torch.uint8)


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
        return picture


@pytest.mark.parametrize("channels", MODES)
def test_a_grid_keeps_every_channel(channels: int, tmp_path: Path) -> None:
    pixels = noise(channels)
    draw_grid(pixels, len(pixels), columns=8).save(tmp_path / "grid.png")
    grid = opened(tmp_path / "grid.png")
    assert grid.mode == MODES[channels]
    stored = np.array(grid).reshape(128, -1, channels)
    for index in range(3):
        assert (stored[:, 130 * index : 130 * index + 128] == pixels[index].numpy()).all()
    gap = stored[:, 128:130]
    assert (gap[..., -1] == (0 if channels == 4 else 255)).all()  # the gap of a transparent grid is transparent


def test_small_transparent_pictures_are_enlarged_without_the_colours_of_hidden_pixels(tmp_path: Path) -> None:
    pixels = torch.zeros(1, 32, 32, 4, dtype=torch.uint8)
    pixels[..., 1] = 255  # green where nobody sees it
    pixels[:, :, 16:] = torch.tensor([255, 0, 0, 255], dtype=torch.uint8)
    draw_grid(pixels, len(pixels), columns=8).save(tmp_path / "grid.png")
    stored = np.array(opened(tmp_path / "grid.png"))
    visible = stored[stored[..., 3] > 8]
    assert stored.shape == (128, 128, 4)
    assert visible[:, 1].max() <= 2 and visible[:, 0].min() >= 250


def test_transparent_pictures_lie_on_squares_of_two_greys() -> None:
    pixels = torch.zeros(128, 128, 4, dtype=torch.uint8)
    pixels[:64] = torch.tensor([10, 20, 30, 255], dtype=torch.uint8)
    pixels[:, :16, 3] = 128
    picture = to_picture(OutlinedImage(pixels))
    shown = np.array(picture)
    assert picture.mode == "RGB"
    assert (shown[:64, 16:] == [10, 20, 30]).all()
    assert {tuple(colour) for colour in shown[64:, 16:].reshape(-1, 3).tolist()} == {(236,) * 3, (204,) * 3}
    assert tuple(shown[127, 127]) != tuple(shown[127, 119]) != tuple(shown[119, 119])
    # half of the colour and half of the ground
    assert np.abs(shown[0, 0].astype(int) - (np.array([10, 20, 30]) + 236) / 2).max() <= 1


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGB")])
def test_sheets_are_grey_or_coloured(channels: int, mode: str) -> None:
    tiles = [OutlinedImage(pixels) for pixels in noise(channels)]
    [page] = draw_pages(["a row"], [tiles], ["one", "two", "three"])
    assert page.mode == mode
    mask = np.zeros((128, 128), dtype=bool)
    mask[30:60, 30:60] = True
    outlined = [*tiles, OutlinedImage(noise(channels, 1)[0], mask)]
    [page] = draw_pages(["a row"], [outlined], ["one"])
    assert page.mode == "RGB"


def test_grey_text_is_as_dark_as_coloured_text() -> None:
    pages = [
        next(draw_pages(["a row"], [[OutlinedImage(torch.zeros(128, 128, count, dtype=torch.uint8))]], ["x"]))
        for count in (1, 3)
    ]
    assert (np.array(pages[0].convert("RGB")) == np.array(pages[1])).all()


@pytest.mark.parametrize("channels", mostly_long(MODES, (1, 3)))
def test_animations(channels: int, tmp_path: Path) -> None:
    frames = [to_frame(pixels[None, None]) for pixels in noise(channels, 4)]
    save_animation(tmp_path, frames, ["gif", "mp4"])
    assert {path.name for path in tmp_path.iterdir()} == {"edit.gif", "edit.mp4"}
    with Image.open(tmp_path / "edit.gif") as gif:
        shown = [np.array(one.convert("RGB")).astype(int) for one in ImageSequence.Iterator(gif)]
    for found, frame in zip(shown, frames, strict=True):
        deviation = np.abs(found - np.array(frame.convert("RGB")))
        assert deviation.max() == 0 if channels == 1 else deviation.mean() < 20  # 256 greys need no other palette


@pytest.mark.parametrize("channels", [1, 3])
def test_sprites(channels: int) -> None:
    assert sprite(noise(channels)).size == (3 * 128, 128)


@pytest.mark.parametrize("channels", MODES)
def test_images_become_pixels_of_as_many_channels(channels: int) -> None:
    pixels = to_pixels(torch.linspace(-2, 2, 2 * channels * 4 * 4).view(2, channels, 4, 4))
    assert pixels.shape == (2, 4, 4, channels)
    assert (int(pixels.min()), int(pixels.max())) == (0, 255)
