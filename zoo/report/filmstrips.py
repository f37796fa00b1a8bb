"""The pictures of a report: each direction moved from one end to the other, at several codes at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo._utils.pixels import to_pixels
from zoo._utils.progress import Progress
from zoo.core.codes import Codes, join
from zoo.core.directions import Directions
from zoo.core.layers import LayerNames
from zoo.editing.changes import ENDS
from zoo.editing.render import render, render_pixels
from zoo.editing.run_folder import picture_name
from zoo.editing.steps import visible_steps
from zoo.imaging.background import InBackground
from zoo.imaging.images import OutlinedImage, save_picture, to_picture

if TYPE_CHECKING:
    from zoo.analysis.run import Run

# Where the frames of a filmstrip stand, as shares of the step at its ends.
SHARES = tuple(eighths / 8 for eighths in range(-8, 9))

# The index of the frame that is not moved.
MIDDLE = len(SHARES) // 2

# The indices of the frames of `EndFrames`.
_RENDERED = (0, MIDDLE, len(SHARES) - 1)

# The indices of the frames that the sheet and the strips of the page show.
STRIP = (0, 4, 8, 12, 16)

# What the rows of a code change, from the first to the last.
_SCALES = ("coarse", "middle", "fine")

_MAX_CODES = 3
_BATCH = 14

# Called after each batch with the number of images in it.
Tick = Callable[[int], None]


class EndFrames:
    """Keeps pictures of the first codes that are rendered, unedited and at both ends of each direction.

    It is an observer of `zoo.editing.changes.render_ends`, so that no image of a strip is rendered twice.
    """

    def __init__(self, codes: int, directions: int) -> None:
        self._wanted = codes
        self._unedited: list[Tensor] = []
        self._ends: list[list[list[Tensor]]] = [[[] for _ in ENDS] for _ in range(directions)]
        self._taken = self._in_batch = 0

    def start(self, unedited: Tensor) -> None:
        """Keep the first codes of a batch, as far as they are wanted."""
        self._in_batch = min(len(unedited), self._wanted - self._taken)
        self._taken += self._in_batch
        if self._in_batch:
            self._unedited.append(_shown_pixels(unedited[: self._in_batch]))

    def look(self, index: int, end: int, images: Tensor) -> None:
        """Keep the same codes at one end of a direction."""
        if self._in_batch:
            self._ends[index][end].append(_shown_pixels(images[: self._in_batch]))

    def frames(self, index: int) -> Tensor:
        """Return the pictures of one direction at −step, 0 and +step: (3, codes, h, w, c), uint8."""
        plus, minus = map(torch.cat, self._ends[index])
        return torch.stack([minus, torch.cat(self._unedited), plus])


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


def count_shown(codes: Codes, unseen: Codes | None) -> tuple[int, int]:
    """Choose how many codes are shown, three at most.

    Args:
        codes: The codes that were analysed.
        unseen: The unseen codes, or None.

    Returns:
        How many of the analysed ones, the first, and how many of the unseen ones, beside one analysed.
    """
    return (min(len(codes), _MAX_CODES), 0) if unseen is None else (1, min(len(unseen), _MAX_CODES - 1))


def shown_codes(codes: Codes, unseen: Codes | None) -> tuple[Codes, list[str]]:
    """Take the codes to show.

    Args:
        codes: The codes that were analysed.
        unseen: The unseen codes, or None.

    Returns:
        The codes, and a title for each.
    """
    own, others = count_shown(codes, unseen)
    seeds = codes.naming_seeds
    names = [f"code {index}" for index in range(own)] if seeds is None else [f"seed {one}" for one in seeds]
    titles = [f"{name}, analysed" for name in names[:own]]
    if unseen is None:
        return codes[:own], titles
    parts = [codes[:own], unseen[:others]]
    if any(part.labels is None for part in parts):  # codes of w have read their class already, and may not tell it
        parts = [replace(part, labels=None) for part in parts]
    return join(parts), [*titles, *(f"unseen code {index}" for index in range(others))]


def render_filmstrip(run: Run, index: int, step: float, codes: Codes, tick: Tick) -> Tensor:
    """Render one direction at all codes that are shown; the ends and the middle have been rendered already.

    Args:
        run: The analysis.
        index: The direction.
        step: How far it is moved each way.
        codes: The codes that are shown (n).
        tick: Called after each batch of images.

    Returns:
        A frame for each of `SHARES` (frames, n, h, w, c), uint8, as they are shown: of that size, grey (c = 1) or RGB
        (c = 3).

    Raises:
        CheckpointError: If an image is not finite.
    """
    adapter = run.model.adapter
    vector = run.directions.vectors[index].to(adapter.device, adapter.dtype)
    between = [frame for frame in range(len(SHARES)) if frame not in _RENDERED]
    moved = join([adapter.move(codes, SHARES[frame] * step * vector, run.directions.layers) for frame in between])
    pixels = []
    for start in range(0, len(moved), _BATCH):
        pixels.append(_shown_pixels(render(run.model, moved[start : start + _BATCH])))
        tick(len(pixels[-1]))
    known = torch.cat([kept.frames(index) for kept in run.measures.frames], dim=1)
    frames = known.new_empty(len(SHARES), *known.shape[1:])
    frames[between] = torch.cat(pixels).view(len(between), *known.shape[1:])
    frames[list(_RENDERED)] = known
    return frames


def coarse_middle_fine(count: int, named: LayerNames | None = None) -> dict[str, tuple[int, ...]]:
    """Split the rows of a space's codes, which go from coarse to fine.

    Where the architecture calls rows so, ``--layers coarse`` and this split mean the same ones. Otherwise n rows are
    cut at ⌊n/3⌋ and ⌊2n/3⌋, so that a remainder goes to the finer parts. Two rows are coarse and fine.

    Args:
        count: The number of rows.
        named: What the architecture calls its rows; see `zoo.core.Adapter.layer_names`.

    Returns:
        The rows of each part by its name; empty for a single row.
    """
    if count < 2:
        return {}
    known = {name: tuple(rows) for name, rows in (named or {}).items() if name in _SCALES}
    if known:
        return known
    names = _SCALES if count > 2 else _SCALES[::2]
    cuts = [count * part // len(names) for part in range(len(names) + 1)]
    return {name: tuple(range(*ends)) for name, ends in zip(names, pairwise(cuts), strict=True)}


def moved_rows_by_scale(directions: Directions, named: LayerNames | None = None) -> dict[str, tuple[int, ...]]:
    """Sort the rows that directions move into coarse, middle and fine.

    Args:
        directions: The directions.
        named: As `coarse_middle_fine` takes it.

    Returns:
        The rows by the name of the part; a part without any is left out.
    """
    moved = range(directions.space.layers) if directions.layers is None else directions.layers
    parts = {
        name: tuple(row for row in rows if row in moved)
        for name, rows in coarse_middle_fine(directions.space.layers, named).items()
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
    for name, rows in moved_rows_by_scale(run.directions, run.model.adapter.layer_names()).items():
        for index, step in enumerate(visible_steps(adapter, code, vectors, run.region, rows)):
            vector = (step * vectors[index]).to(code.latents)
            moved = [adapter.move(code, sign * vector, rows) for sign in (-1, 0, 1)]
            pixels = _shown_pixels(render(run.model, join(moved)))
            strips[index].append(ScaleStrip(name, rows, float(step), pixels))
            tick(len(moved))
    return strips


def save_pictures(folder: Path, run: Run, progress: Progress) -> None:
    """Write a PNG of every picture of the sheet, in the size that the network draws.

    Args:
        folder: The folder, which exists.
        run: The analysis.
        progress: Called after each picture of a direction.
    """
    adapter, own = run.model.adapter, count_shown(run.codes, run.unseen_codes)[0]
    codes, _ = shown_codes(run.codes, run.unseen_codes)
    steps = [] if run.measures.steps is None else run.measures.steps.tolist()
    with InBackground() as background:
        for index, step in enumerate(steps):
            progress(index, len(steps), "pictures in full size")
            vector = run.directions.vectors[index].to(adapter.device, adapter.dtype)
            for place, frame in enumerate(STRIP):
                strength = SHARES[frame] * step
                moved = adapter.move(codes, strength * vector, run.directions.layers)
                parts = f"direction-{index}", f"{place:02}", f"{strength:+.3g}" if strength else "0"
                for code, pixels in enumerate(render_pixels(run.model, moved)):
                    unseen = "_".join((f"unseen-{code - own:04}", *parts)) + ".png"
                    name = picture_name(run.codes, code, *parts) if code < own else unseen
                    background.start(save_picture, folder / name, pixels)
    progress(len(steps), len(steps), "pictures in full size")


def _shown_pixels(images: Tensor) -> Tensor:
    """Turn images (n, channels, height, width) into pixels (n, h, w, c) as they are shown."""
    return torch.stack([_pixels(to_picture(OutlinedImage(pixels))) for pixels in to_pixels(images)])


def _pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).view(picture.height, picture.width, -1)
