"""Rendering codes: batches of images, bounded in memory, as numbers or as pixels."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from zoo._utils.pixels import to_pixels
from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes
from zoo.errors import OptionError
from zoo.imaging.images import picture_side
from zoo.models.model import Model
from zoo.models.rendering import render_batch_size, render_batches

# 2.5 GiB: how much memory the pictures of one result may take. zoo as a whole then stays below 4 GB; the rest is for
# the libraries (0.5 GB), a batch that is being rendered and the page that is being drawn.
MOST_BYTES = 5 * 2**29


def render(model: Model, codes: Codes, progress: Progress = silent) -> Tensor:
    """Render codes in batches, without derivatives.

    Args:
        model: The model.
        codes: The codes (n).
        progress: Called after each batch.

    Returns:
        Images (n, channels, h, w) on the CPU, in the network's type, nominally in [-1, 1] and not clamped.

    Raises:
        CheckpointError: If an image is not finite.
    """
    return render_batches(model.name, model.adapter, codes, Tensor.cpu, progress)


def render_pixels(model: Model, codes: Codes, progress: Progress = silent) -> Tensor:
    """Render codes to pixels, which take a quarter of the memory of `render`'s images.

    Args:
        model: The model.
        codes: The codes (n).
        progress: Called after each batch.

    Returns:
        Pixels (n, h, w, channels) of uint8 on the CPU.

    Raises:
        CheckpointError: If an image is not finite.
    """
    return render_batches(model.name, model.adapter, codes, to_pixels, progress)


def iter_pixels(model: Model, codes: Codes, progress: Progress = silent) -> Iterator[Tensor]:
    """Render codes to pixels, one picture after the other; no more than a batch is held at a time.

    Args:
        model: The model.
        codes: The codes (n).
        progress: Called after each batch.

    Yields:
        The pixels of each code (h, w, channels), uint8, on the CPU.

    Raises:
        CheckpointError: If an image is not finite.
    """
    size = render_batch_size(model.adapter)
    for start in range(0, len(codes), size):
        progress(start, len(codes), "images")
        yield from render_pixels(model, codes[start : start + size])
    progress(len(codes), len(codes), "images")


def check_memory_limit(model: Model, count: int, bytes_each: int, fewer: str) -> None:
    """Refuse pictures that together take more than `MOST_BYTES`, before the first one is rendered.

    Args:
        model: The model.
        count: How many pictures there are.
        bytes_each: How many bytes each takes.
        fewer: What the message suggests to take fewer of.

    Raises:
        OptionError: If the pictures take more.
    """
    height, width = model.adapter.resolution
    most = MOST_BYTES // bytes_each
    if count > most:
        raise OptionError(
            f"{count:,} pictures of {height} x {width} pixels are too many to hold in memory, at most {most:,}: "
            f"take fewer {fewer}"
        )


def reduced_note(model: Model, files: str, size: str | int | None) -> tuple[str, ...]:
    """Say that files show pictures smaller than the network draws them, if so, and how to get them whole.

    Args:
        model: The model.
        files: The files.
        size: In which size they show them; see `zoo.imaging.images.picture_side`.

    Returns:
        A line, or none.
    """
    height, width = model.adapter.resolution
    if picture_side(size, max(height, width)) >= max(height, width):
        return ()
    pictures = f"{files}: pictures of {height} x {width} pixels are reduced"
    return (f"{pictures}; --each writes each of them whole, --size native shows them whole",)
