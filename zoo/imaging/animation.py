"""Animations: an endless GIF, and an H.264 video where an encoder is installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.errors import OptionError, OutputError
from zoo.imaging.images import GAP, PAPER, OutlinedImage, to_picture

FRAMES_A_SECOND = 25
MOST_FRAMES = 1000

_LARGEST_SIDE = 1024
_PALETTE_FRAMES = 8
_CHOICES: dict[str, tuple[str, ...]] = {"none": (), "gif": ("gif",), "mp4": ("mp4",), "both": ("gif", "mp4")}


def check_animation(video: str, frames: int) -> tuple[str, ...]:
    """Read what kind of animation is wanted: ``auto``, ``none``, ``gif``, ``mp4`` or ``both``.

    ``auto`` is a GIF, and an MP4 where an encoder is installed. Raises `OptionError` for another word, for an MP4 that
    was asked for where there is no encoder, and for a number of frames outside of 2 to 1000.
    """
    if video not in {"auto", *_CHOICES}:
        raise OptionError(f"--video {video}: there are auto, {', '.join(_CHOICES)}")
    if not 2 <= frames <= MOST_FRAMES:
        raise OptionError(f"--frames {frames}: an animation has 2 to {MOST_FRAMES} frames")
    if video == "auto":
        return _CHOICES["both" if has_encoder() else "gif"]
    if "mp4" in _CHOICES[video] and not has_encoder():
        raise OptionError(f"--video {video}: there is no MP4 encoder: pip install imageio-ffmpeg, or pass --video gif")
    return _CHOICES[video]


def has_encoder() -> bool:
    """Say whether an MP4 can be written here: whether imageio-ffmpeg is installed and finds its program."""
    if find_spec("imageio_ffmpeg") is None:
        return False
    from imageio_ffmpeg import get_ffmpeg_exe

    try:
        return bool(get_ffmpeg_exe())
    except RuntimeError:
        return False


def to_frame(pixels: Tensor) -> Image.Image:
    """Put pictures (rows, columns, h, w, 3) uint8 side by side and under each other; both sides come out even."""
    rows, columns = pixels.shape[:2]
    room = _LARGEST_SIDE // max(rows, columns)
    cells = [[to_picture(OutlinedImage(picture)) for picture in row] for row in pixels]
    if max(cells[0][0].size) > room:
        cells = [[to_picture(OutlinedImage(picture), room) for picture in row] for row in pixels]
    width, height = cells[0][0].size
    size = (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP)
    frame = Image.new("RGB", (size[0] + size[0] % 2, size[1] + size[1] % 2), PAPER)
    for row, cells_of_row in enumerate(cells):
        for column, cell in enumerate(cells_of_row):
            frame.paste(cell, (column * (width + GAP), row * (height + GAP)))
    return frame


def save_animation(
    folder: Path, frames: Sequence[Image.Image], kinds: Sequence[str], progress: Progress = silent
) -> None:
    """Write `edit.gif` and `edit.mp4`, whichever `kinds` name, from frames of `to_frame` that close a loop.

    Raises `OutputError`.
    """
    for kind in kinds:
        {"gif": _save_gif, "mp4": _save_mp4}[kind](folder / f"edit.{kind}", frames, progress)


def _save_gif(path: Path, frames: Sequence[Image.Image], progress: Progress) -> None:
    """Write an endless GIF. Frames share one palette: quicker than one each, and colours do not flicker."""
    palette = _palette(frames[:: -(-len(frames) // _PALETTE_FRAMES)])
    made: list[Image.Image] = []
    for done, frame in enumerate(frames):
        progress(done, len(frames), f"writing {path.name}")
        made.append(frame.quantize(palette=palette, dither=Image.Dither.NONE))
    made[0].save(path, "GIF", save_all=True, append_images=made[1:], duration=1000 // FRAMES_A_SECOND, loop=0)
    progress(len(frames), len(frames), f"writing {path.name}")


def _palette(frames: Sequence[Image.Image]) -> Image.Image:
    """Choose 256 colours that serve all of some frames."""
    width, height = frames[0].size
    together = Image.new("RGB", (width, height * len(frames)))
    for place, frame in enumerate(frames):
        together.paste(frame, (0, place * height))
    return together.quantize(256)


def _save_mp4(path: Path, frames: Sequence[Image.Image], progress: Progress) -> None:
    """Write H.264 as every browser plays it: yuv420p, its index in front. ffmpeg does not tell failures: count frames.

    Raises `OutputError` if the file does not hold every frame.
    """
    import imageio.v2 as imageio
    from imageio_ffmpeg import count_frames_and_secs

    options: dict[str, Any] = {
        "fps": FRAMES_A_SECOND,
        "codec": "libx264",
        "quality": 8,
        "pixelformat": "yuv420p",
        "macro_block_size": 2,  # sides are even already; imageio's usual 16 would stretch the pictures
        "ffmpeg_log_level": "quiet",
        "output_params": ["-movflags", "+faststart"],
    }
    try:
        writer: Any
        with imageio.get_writer(path, format="FFMPEG", mode="I", **options) as writer:
            for done, frame in enumerate(frames):
                progress(done, len(frames), f"writing {path.name}")
                writer.append_data(np.asarray(frame))
        written, _ = count_frames_and_secs(path)
    except (OSError, RuntimeError):
        written = 0
    if written != len(frames):
        raise OutputError(f"cannot write {path.name}: ffmpeg wrote {written} of {len(frames)} frames; pass --video gif")
    progress(len(frames), len(frames), f"writing {path.name}")
