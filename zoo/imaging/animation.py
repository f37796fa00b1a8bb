"""Animations: an endless GIF, and an H.264 video if an encoder is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from importlib.util import find_spec
from itertools import pairwise
from math import isqrt
from pathlib import Path

from PIL import Image
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.errors import OptionError, OutputError
from zoo.imaging.background import InBackground
from zoo.imaging.images import GAP, OutlinedImage, blank_sheet, picture_side, to_picture

FRAMES_PER_SECOND = 25.0
MAX_FRAMES = 1000

# Frames a second. A GIF counts in hundredths of a second, and browsers slow down frames that are shorter than two.
_FASTEST = 120
_FASTEST_GIF = 50

_MAX_SIDE = 1024
# A palette is chosen by so many frames, and about so many pixels of them.
_PALETTE_FRAMES = 8
_PALETTE_PIXELS = 200_000
_FORMATS: dict[str, tuple[str, ...]] = {"none": (), "gif": ("gif",), "mp4": ("mp4",), "both": ("gif", "mp4")}


def check_animation(video: str, frames: int, fps: float = FRAMES_PER_SECOND) -> tuple[str, ...]:
    """Check which animations are asked for.

    Args:
        video: ``auto``, ``none``, ``gif``, ``mp4`` or ``both``; ``auto`` is a GIF, and an MP4 if there is an encoder.
        frames: The number of frames.
        fps: Frames a second.

    Returns:
        The formats to write, of ``gif`` and ``mp4``.

    Raises:
        OptionError: For any other word, for an MP4 without an encoder, for a number of frames outside 2 to 1000, and
            for more frames a second than a format has.
    """
    formats = _choose_formats(video, frames)
    if not 1 <= fps <= _FASTEST:
        raise OptionError(f"--fps {fps:g}: an animation has 1 to {_FASTEST} frames a second")
    if "gif" in formats and fps > _FASTEST_GIF:
        raise OptionError(f"--fps {fps:g}: a GIF has at most {_FASTEST_GIF} frames a second; pass --video mp4")
    return formats


def _choose_formats(video: str, frames: int) -> tuple[str, ...]:
    if video not in {"auto", *_FORMATS}:
        raise OptionError(f"--video {video}: there are auto, {', '.join(_FORMATS)}")
    if not 2 <= frames <= MAX_FRAMES:
        raise OptionError(f"--frames {frames}: an animation has 2 to {MAX_FRAMES} frames")
    if video == "auto":
        return _FORMATS["both" if has_encoder() else "gif"]
    if "mp4" in _FORMATS[video] and not has_encoder():
        raise OptionError(f"--video {video}: there is no MP4 encoder: pip install imageio-ffmpeg, or pass --video gif")
    return _FORMATS[video]


def has_encoder() -> bool:
    """Say whether an MP4 can be written here: whether imageio-ffmpeg is installed and finds its program."""
    if find_spec("imageio_ffmpeg") is None:
        return False
    from imageio_ffmpeg import get_ffmpeg_exe

    try:
        return bool(get_ffmpeg_exe())
    except RuntimeError:
        return False


def frame_side(rows: int, columns: int, longer: int, size: str | int | None = None) -> int:
    """Choose how large each picture of a frame is.

    Args:
        rows: How many pictures stand under each other.
        columns: How many stand side by side.
        longer: Pixels of the longer side of the pictures themselves.
        size: See `picture_side`; None is the usual size, but so that the frame has about 1024 pixels at most.

    Returns:
        Pixels of the longer side.

    Raises:
        OptionError: See `picture_side`.
    """
    side = picture_side(size, longer)
    return side if size is not None else min(side, _MAX_SIDE // max(rows, columns))


def to_frame(pixels: Tensor, size: str | int | None = None) -> Image.Image:
    """Arrange pictures in rows and columns.

    Args:
        pixels: (rows, columns, h, w, c), uint8.
        size: See `frame_side`.

    Returns:
        One picture, whose sides are even, as yuv420p needs them.
    """
    rows, columns = pixels.shape[:2]
    side = frame_side(rows, columns, max(pixels.shape[2:4]), size)
    cells = [[to_picture(OutlinedImage(image), side) for image in row] for row in pixels]
    cell_width, cell_height = cells[0][0].size
    width = columns * (cell_width + GAP) - GAP
    height = rows * (cell_height + GAP) - GAP
    frame = blank_sheet((width + width % 2, height + height % 2), [cells[0][0].mode])
    for row, cells_of_row in enumerate(cells):
        for column, cell in enumerate(cells_of_row):
            frame.paste(cell, (column * (cell_width + GAP), row * (cell_height + GAP)))
    return frame


def draw_loop(
    draw: Callable[[float], Image.Image], count: int, rendered: int, progress: Progress = silent
) -> list[Image.Image]:
    """Draw the frames of a loop.

    Args:
        draw: Draws the frame at a phase, 0 to 1.
        count: The number of frames, there and back.
        rendered: How many of them differ; the others show the first ones again, backwards.
        progress: Called with (frames done, frames in all, what is being done).

    Returns:
        The frames.
    """
    frames = []
    for index in range(rendered):
        progress(index, rendered, "rendering frames")
        frames.append(draw(index / count))
    progress(rendered, rendered, "rendering frames")
    return [frames[index if index < rendered else count - index] for index in range(count)]


def save_animation(
    folder: Path,
    frames: Sequence[Image.Image],
    formats: Sequence[str],
    progress: Progress = silent,
    fps: float = FRAMES_PER_SECOND,
    *,
    stem: str = "edit",
) -> None:
    """Write `edit.gif` and `edit.mp4`.

    Args:
        folder: The folder to write to.
        frames: Frames of `to_frame` that close a loop.
        formats: Which to write, of ``gif`` and ``mp4``.
        progress: Called with (frames done, frames in all, what is being done).
        fps: Frames a second.
        stem: What the files are called instead of ``edit``.

    Raises:
        OutputError: If the MP4 cannot be written.
    """
    gif, mp4 = folder / f"{stem}.gif", folder / f"{stem}.mp4"
    if "gif" in formats and "mp4" in formats:
        with InBackground() as threads:
            wait = threads.start(_save_mp4, mp4, frames, fps, silent)  # that mostly waits for another program
            _save_gif(gif, frames, fps, progress)
            progress(0, len(frames), f"writing {mp4.name}")
            wait()
            progress(len(frames), len(frames), f"writing {mp4.name}")
    elif "gif" in formats:
        _save_gif(gif, frames, fps, progress)
    elif "mp4" in formats:
        _save_mp4(mp4, frames, fps, progress)


def _save_gif(path: Path, frames: Sequence[Image.Image], fps: float, progress: Progress) -> None:
    """Write an endless GIF. Its frames share one palette: this is quicker than one each, and colours do not flicker.

    Grey frames need no other palette than that of 256 greys.
    """
    grey = frames[0].mode == "L"
    palette = None if grey else _palette(frames[:: -(-len(frames) // _PALETTE_FRAMES)])
    quantized: list[Image.Image] = []
    for done, frame in enumerate(frames):
        progress(done, len(frames), f"writing {path.name}")
        quantized.append(frame if grey else frame.quantize(palette=palette, dither=Image.Dither.NONE))
    quantized[0].save(
        path, "GIF", save_all=True, append_images=quantized[1:], duration=_durations(len(frames), fps), loop=0
    )
    progress(len(frames), len(frames), f"writing {path.name}")


def _durations(count: int, fps: float) -> list[int]:
    """Return how many milliseconds each frame of a GIF is shown: hundredths of a second, of the right sum."""
    ends = [round(100 * index / fps) for index in range(count + 1)]
    return [10 * (end - start) for start, end in pairwise(ends)]


def _palette(frames: Sequence[Image.Image]) -> Image.Image:
    """Choose 256 colours for some frames together, by so many of their pixels as that takes.

    Pictures of small networks are enlarged in a frame, so that most pixels are nearly as those beside them.
    """
    width, height = frames[0].size
    step = max(1, isqrt(len(frames) * width * height // _PALETTE_PIXELS))
    size = (-(-width // step), -(-height // step))
    stack = Image.new("RGB", (size[0], size[1] * len(frames)))
    for index, frame in enumerate(frames):
        stack.paste(frame.resize(size, Image.Resampling.NEAREST), (0, index * size[1]))
    return stack.quantize(256)


def _save_mp4(path: Path, frames: Sequence[Image.Image], fps: float, progress: Progress) -> None:
    """Write an H.264 video that every browser plays: in yuv420p, with the index in front of the frames.

    Raises `OutputError` if the file does not hold every frame: ffmpeg's exit status does not tell a failure.
    """
    from imageio_ffmpeg import count_frames_and_secs, write_frames

    try:
        writer = write_frames(
            str(path),
            frames[0].size,
            pix_fmt_in="rgb24",
            pix_fmt_out="yuv420p",
            fps=fps,
            codec="libx264",
            quality=8,
            macro_block_size=2,  # the sides are even already; the usual 16 would stretch the pictures
            ffmpeg_log_level="quiet",
            output_params=["-movflags", "+faststart"],
        )
        with closing(writer):
            writer.send(None)  # a generator takes None first: here it starts ffmpeg
            for done, frame in enumerate(frames):
                progress(done, len(frames), f"writing {path.name}")
                writer.send(frame.convert("RGB").tobytes())
        written, _ = count_frames_and_secs(str(path))
    except (OSError, RuntimeError):
        written = 0
    if written != len(frames):
        raise OutputError(f"cannot write {path.name}: ffmpeg wrote {written} of {len(frames)} frames; pass --video gif")
    progress(len(frames), len(frames), f"writing {path.name}")
