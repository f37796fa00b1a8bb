"""The pictures of a report: each direction moved from one end to the other, at several codes at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.core.channels import as_rgb
from zoo.core.codes import Codes, join
from zoo.core.directions import Directions
from zoo.editing.locality import consistency, visible_steps
from zoo.editing.render import render
from zoo.imaging.images import OutlinedImage, to_picture, to_pixels

if TYPE_CHECKING:
    from zoo.analysis.run import Run

# Where the frames of a filmstrip stand, as shares of the step at its ends.
SHARES = tuple(eighths / 8 for eighths in range(-8, 9))

# The index of the frame that is not moved.
MIDDLE = len(SHARES) // 2

# The indices of the frames that the sheet and the strips of the page show.
STRIP = (0, 4, 8, 12, 16)

_MAX_CODES = 3
_BATCH = 15

# Called after each batch with the number of images in it.
Tick = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Filmstrip:
    """One direction at several codes, moved from −step to +step.

    Attributes:
        pixels: A frame for each of `SHARES` (frames, codes, h, w, c), uint8, as they are shown: of that size, grey
            (c = 1) or RGB (c = 3).
        change: The mean squared change of each pixel (height, width) from the middle to the ends, over both ends, the
            codes and the channels; float64, for images in [-1, 1].
        consistency: How alike the changes at the end +step are (see `zoo.editing.consistency`); None for one code.
    """

    pixels: Tensor
    change: Tensor
    consistency: float | None


@dataclass(frozen=True, eq=False)
class ScaleStrip:
    """One direction moved on its coarse, middle or fine rows only.

    Attributes:
        name: ``coarse``, ``middle`` or ``fine``.
        rows: The rows that are moved.
        step: How far they are moved each way.
        pixels: Pictures (3, h, w, c) at −step, 0 and +step.
    """

    name: str
    rows: tuple[int, ...]
    step: float
    pixels: Tensor


def shown_codes(codes: Codes, unseen: Codes | None) -> tuple[Codes, list[str]]:
    """Choose at most three codes to show: the first that were analysed, beside unseen ones if there are any.

    Args:
        codes: The codes that were analysed.
        unseen: The unseen codes, or None.

    Returns:
        The codes, and a title for each.
    """
    own = codes[:1] if unseen is not None else codes[:_MAX_CODES]
    titles = [f"code {index}, analysed" for index in range(len(own))]
    if unseen is None:
        return own, titles
    others = unseen[: _MAX_CODES - 1]
    return join([own, others]), [*titles, *(f"unseen code {index}" for index in range(len(others)))]


def render_filmstrip(run: Run, index: int, step: float, codes: Codes, tick: Tick) -> Filmstrip:
    """Render one direction at all codes that are shown.

    Args:
        run: The analysis.
        index: The direction.
        step: How far it is moved each way.
        codes: The codes that are shown (n).
        tick: Called after each batch of images.

    Returns:
        The pictures.

    Raises:
        CheckpointError: If an image is not finite.
    """
    adapter = run.model.adapter
    vector = run.directions.vectors[index].to(adapter.device, adapter.dtype)
    moved = join([adapter.move(codes, share * step * vector, run.directions.layers) for share in SHARES])
    count = len(codes)
    pixels = []
    kept_images = {}  # only the ends and the middle are needed as numbers
    for start in range(0, len(moved), _BATCH):
        images = render(run.model, moved[start : start + _BATCH])
        pixels.append(_shown_pixels(images))
        indices = range(start, start + len(images))
        seen = zip(indices, as_rgb(images), strict=True)
        kept_images.update({i: image for i, image in seen if _is_end_or_middle(i, count)})
        tick(len(images))
    ends = torch.stack([kept_images[i] for i in sorted(kept_images)]).unflatten(0, (3, count))
    changes = ends[[0, 2]] - ends[1]
    return Filmstrip(
        pixels=torch.cat(pixels).view(len(SHARES), count, *pixels[0].shape[1:]),
        change=changes.to(torch.float64).square().mean(dim=(0, 1, 2)),
        consistency=consistency(changes[1]),
    )


def coarse_middle_fine(count: int) -> dict[str, tuple[int, ...]]:
    """Split the rows of a space's codes, which go from coarse to fine.

    n rows are cut at ⌊n/3⌋ and ⌊2n/3⌋, so that a remainder goes to the finer parts, as in the papers' own ranges: 4
    rows give 1, 1 and 2, 14 give 4, 5 and 5, 18 give 6 each. Two rows are coarse and fine.

    Args:
        count: The number of rows.

    Returns:
        The rows of each part by its name; empty for a single row.
    """
    if count < 2:
        return {}
    names = ("coarse", "middle", "fine") if count > 2 else ("coarse", "fine")
    cuts = [count * part // len(names) for part in range(len(names) + 1)]
    return {name: tuple(range(*ends)) for name, ends in zip(names, pairwise(cuts), strict=True)}


def moved_rows_by_scale(directions: Directions) -> dict[str, tuple[int, ...]]:
    """Sort the rows that directions move into coarse, middle and fine.

    Args:
        directions: The directions.

    Returns:
        The rows by the name of the part; a part without any is left out.
    """
    moved = range(directions.space.layers) if directions.layers is None else directions.layers
    parts = {
        name: tuple(row for row in rows if row in moved)
        for name, rows in coarse_middle_fine(directions.space.layers).items()
    }
    return {name: rows for name, rows in parts.items() if rows}


def render_scales(run: Run, tick: Tick) -> list[list[ScaleStrip]]:
    """Render each shown direction moved on its coarse, middle and fine rows only, at the first code.

    Each is moved by a step of its own, until the change inside the region is visible, so that its effect can be seen
    even where it takes a larger step than the whole direction.

    Args:
        run: The analysis.
        tick: Called after each strip with the number of images.

    Returns:
        The strips of each shown direction; empty where codes have a single row.
    """
    adapter, code, vectors = run.model.adapter, run.codes[0], run.shown.vectors
    strips: list[list[ScaleStrip]] = [[] for _ in vectors]
    for name, rows in moved_rows_by_scale(run.directions).items():
        for index, step in enumerate(visible_steps(adapter, code, vectors, run.region, rows)):
            vector = (step * vectors[index]).to(code.latents)
            moved = [adapter.move(code, sign * vector, rows) for sign in (-1, 0, 1)]
            pixels = _shown_pixels(render(run.model, join(moved)))
            strips[index].append(ScaleStrip(name, rows, float(step), pixels))
            tick(len(moved))
    return strips


def _is_end_or_middle(index: int, count: int) -> bool:
    """Say whether an image, of all frames times `count` codes, belongs to an end or to the middle."""
    return index // count in {0, MIDDLE, len(SHARES) - 1}


def _shown_pixels(images: Tensor) -> Tensor:
    """Turn images (n, channels, height, width) into pixels (n, h, w, c) as they are shown."""
    return torch.stack([_pixels(to_picture(OutlinedImage(pixels))) for pixels in to_pixels(images)])


def _pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).view(picture.height, picture.width, -1)
