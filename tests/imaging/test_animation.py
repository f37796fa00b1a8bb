"""MP4s are read back with imageio-ffmpeg."""

import gc
import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from zoo import OptionError, OutputError
from zoo._utils.files import atomic_folder
from zoo.imaging.animation import check_animation, has_encoder, save_animation, to_frame


def frames(count: int) -> list[Image.Image]:
    """Frames of a slope that brightens step by step."""
    slope = np.broadcast_to(np.arange(34)[None, :, None], (18, 34, 3))
    return [Image.fromarray((slope + 40 + 4 * index).astype(np.uint8)) for index in range(count)]


@contextmanager
def pipes_may_be_left_open() -> Iterator[None]:
    """imageio-ffmpeg leaves its pipes to the garbage collector where ffmpeg ended by itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def read_back(path: Path) -> tuple[Any, dict[str, Any]]:
    with pipes_may_be_left_open():
        metadata, *content = imageio_ffmpeg.read_frames(str(path))
    width, height = metadata["size"]
    return np.stack([np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in content]), metadata


def test_a_video_holds_every_frame_in_order_as_browsers_play_it(tmp_path: Path) -> None:
    reports = []
    save_animation(tmp_path, frames(40), ["gif", "mp4"], lambda *call: reports.append(call))
    video, metadata = read_back(tmp_path / "edit.mp4")
    assert video.shape == (40, 18, 34, 3)
    assert metadata["codec"] == "h264"
    assert metadata["pix_fmt"].startswith("yuv420p")
    assert metadata["fps"] == 25
    content = (tmp_path / "edit.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    brightness = video.mean(axis=(1, 2, 3))
    assert np.abs(brightness - (16.5 + 40 + 4 * np.arange(40))).max() < 4  # lossy, and colours go through yuv
    with Image.open(tmp_path / "edit.gif") as gif:
        assert gif.n_frames == 40  # type: ignore[attr-defined]
        assert gif.info["duration"] == 40
        assert gif.info["loop"] == 0
    assert reports[-1] == (40, 40, "writing edit.mp4")


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 1, 16, 16, 3), (128, 128)),
        ((2, 3, 65, 33, 3), (66 * 2 + 66, 128 * 2 + 2)),
        ((1, 8, 1024, 1024, 3), (8 * 130 - 2, 128)),
    ],
)
def test_frames_have_even_sides_and_stay_small(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    frame = to_frame(torch.zeros(shape, dtype=torch.uint8))
    assert frame.size[0] % 2 == 0 and frame.size[1] % 2 == 0
    assert abs(frame.size[0] - size[0]) <= 6 and abs(frame.size[1] - size[1]) <= 1


def test_an_odd_side_gets_a_line_of_paper() -> None:
    frame = to_frame(torch.zeros((1, 1, 129, 131, 3), dtype=torch.uint8))
    assert frame.size == (132, 130)
    assert frame.getpixel((131, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("video", "kinds"),
    [("none", ()), ("gif", ("gif",)), ("mp4", ("mp4",)), ("both", ("gif", "mp4")), ("auto", ("gif", "mp4"))],
)
def test_kinds(video: str, kinds: tuple[str, ...]) -> None:
    assert check_animation(video, 50) == kinds


@pytest.mark.parametrize("missing", ["module", "program"])
def test_without_an_encoder(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing == "module":
        monkeypatch.setattr(
            "zoo.imaging.animation.find_spec",
            lambda name: None if name == "imageio_ffmpeg" else importlib.util.find_spec(name),
        )
    else:

        def refuse() -> str:
            raise RuntimeError("No ffmpeg exe could be found.")

        monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", refuse)
    assert not has_encoder()
    assert check_animation("auto", 50) == ("gif",)
    for video in ("mp4", "both"):
        with pytest.raises(OptionError, match=f"--video {video}.*pip install imageio-ffmpeg"):
            check_animation(video, 50)


def test_an_encoder_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("/bin/true", "/nowhere/ffmpeg"):
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", program)
        with (
            pipes_may_be_left_open(),
            pytest.raises(OutputError, match=r"edit\.mp4: ffmpeg wrote 0 of 40 frames"),
            atomic_folder(tmp_path / "e") as folder,
        ):
            save_animation(folder, frames(40), ["mp4"])
        assert not list(tmp_path.iterdir())


def test_a_video_that_was_cut_short_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imageio_ffmpeg, "count_frames_and_secs", lambda path: (39, 1.6))
    with pytest.raises(OutputError, match="39 of 40 frames"):
        save_animation(tmp_path, frames(40), ["mp4"])
