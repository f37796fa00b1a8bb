"""Rendering codes: batches of images, bounded in memory, as numbers or as pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from zoo._utils.files import atomic_folder
from zoo._utils.progress import Progress, silent
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.errors import CheckpointError, OptionError
from zoo.imaging.images import save_grid, shown_side, to_pixels
from zoo.models.model import Model

MOST_BYTES = 5 * 2**29
"""2.5 GiB: how much the pictures of one result may fill. zoo as a whole then stays below 4 GB.

The rest is for the libraries (0.5 GB), a batch being rendered and the page being drawn.
"""


def save_samples(model: Model, codes: Codes, folder: Path, *, force: bool = False, progress: Progress = silent) -> None:
    """Write `samples.png` and `codes.safetensors` into a new folder. Raises `OptionError`, `OutputError`."""
    size = model.adapter.resolution
    check_memory_limit(model, len(codes), 3 * (math.prod(size) + shown_side(max(size)) ** 2), "codes")
    pixels = render_pixels(model, codes, progress)
    with atomic_folder(folder, force=force) as partial:
        progress(0, 1, "writing samples.png")
        save_grid(partial / "samples.png", pixels, columns=max(8, math.isqrt(len(codes))))
        progress(1, 1, "writing samples.png")
        model.save_codes(partial / "codes.safetensors", codes)


def render(model: Model, codes: Codes, progress: Progress = silent) -> Tensor:
    """Render codes in batches: (n, 3, h, w) on the CPU, without derivatives.

    Raises `CheckpointError` for images that are not finite.
    """
    return _render(model, codes, Tensor.cpu, progress)


def render_pixels(model: Model, codes: Codes, progress: Progress = silent) -> Tensor:
    """Render codes to pixels (n, h, w, 3) uint8, a quarter of what `render` fills; see `to_pixels`."""
    return _render(model, codes, to_pixels, progress)


def _render(model: Model, codes: Codes, turn: Callable[[Tensor], Tensor], progress: Progress) -> Tensor:
    """Turn each batch of images into what is kept of it, written into its place at once."""
    size = render_batch_size(model.adapter)
    for start in range(0, len(codes), size):
        progress(start, len(codes), "images")
        with torch.no_grad():
            images = model.adapter.synthesize(codes[start : start + size])
        if not all(map(math.isfinite, map(float, images.aminmax()))):  # unlike isfinite(images), without a copy
            raise CheckpointError(
                f"{model.name}: images are not finite: damaged weights, or --codes, --strengths or --step too large"
            )
        part = turn(images)
        if start == 0:
            kept = part.new_empty(len(codes), *part.shape[1:])
        kept[start : start + len(part)] = part
    progress(len(codes), len(codes), "images")
    return kept


def check_memory_limit(model: Model, count: int, each: int, fewer: str) -> None:
    """Refuse more pictures of `each` so many bytes than `MOST_BYTES` hold, before one is made. Raises `OptionError`."""
    height, width = model.adapter.resolution
    most = MOST_BYTES // each
    if count > most:
        raise OptionError(
            f"{count:,} pictures of {height} x {width} pixels are too many to hold in memory, at most {most:,}: "
            f"take fewer {fewer}"
        )


def render_batch_size(adapter: Adapter) -> int:
    """Choose how many images are rendered at a time: 16, fewer where they are large, the same on every machine."""
    height, width = adapter.resolution
    return max(1, min(16, 2**21 // (height * width)))
