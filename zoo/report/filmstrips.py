"""The pictures of a report: each direction moved from one end to the other, at several codes at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.core.codes import Codes, join
from zoo.core.directions import Directions
from zoo.core.region import Region
from zoo.editing.locality import consistency, visible_steps
from zoo.editing.render import render
from zoo.imaging.images import OutlinedImage, to_picture, to_pixels
from zoo.models.model import Model

SHARES = tuple(place / 8 for place in range(-8, 9))
"""Where the frames stand, as shares of the strength at the ends."""

STRIP = (0, 4, 8, 12, 16)
"""The frames that strips and the sheet show."""

MIDDLE = len(SHARES) // 2

_MOST_CODES = 3
_BATCH = 15


@dataclass(frozen=True, eq=False)
class Filmstrip:
    """One direction, its `index` counted from 0, moved from −`step` to +`step`.

    `pixels` (frames, codes, h, w, 3) uint8, a frame for each of `SHARES`, as large as they are shown; `change`
    (height, width) float64, the mean squared change of each pixel from the middle to the ends, over both ends, the
    codes and the channels, for images in [-1, 1]; `consistency` of the changes at the end +`step`, None for one code.
    """

    index: int
    step: float
    pixels: Tensor
    change: Tensor
    consistency: float | None


@dataclass(frozen=True, eq=False)
class Part:
    """A direction moved on some of the code's rows only: `pixels` (3, h, w, 3) at −`step`, 0 and +`step`."""

    name: str
    rows: tuple[int, ...]
    step: float
    pixels: Tensor


Tick = Callable[[int], None]
"""Told after each batch how many images were made in it."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What is shown: directions of a model, at some codes, each with a title, for a region of the images."""

    model: Model
    region: Region
    directions: Directions
    codes: Codes
    titles: Sequence[str]

    def steps(self, layers: Sequence[int] | None) -> Tensor:
        """Choose each direction's strength at the ends, by `measures.visible_steps` at the first code: (k,)."""
        return visible_steps(self.model.adapter, self.codes[0], self.directions.vectors, self.region, layers)


def shown_codes(codes: Codes, unseen: Codes | None) -> tuple[Codes, list[str]]:
    """Choose at most three codes to show, with a title each: the first that were analysed, beside unseen ones."""
    own = codes[:1] if unseen is not None else codes[:_MOST_CODES]
    titles = [f"code {index}, analysed" for index in range(len(own))]
    if unseen is None:
        return own, titles
    others = unseen[: _MOST_CODES - 1]
    return join([own, others]), [*titles, *(f"unseen code {index}" for index in range(len(others)))]


def film(scene: Scene, index: int, step: float, tick: Tick) -> Filmstrip:
    """Render one direction at all codes. Raises `CheckpointError` for images that are not finite."""
    adapter, codes, directions = scene.model.adapter, scene.codes, scene.directions
    vector = directions.vectors[index].to(adapter.device, adapter.dtype)
    moves = join([adapter.move(codes, share * step * vector, directions.layers) for share in SHARES])
    count, wanted, pixels = len(codes), {}, []
    for start in range(0, len(moves), _BATCH):
        images = render(scene.model, moves[start : start + _BATCH])
        pixels.append(_shown(images))
        wanted.update({start + place: image for place, image in enumerate(images) if _is_end(start + place, count)})
        tick(len(images))
    ends = torch.stack([wanted[place] for place in sorted(wanted)]).view(3, count, *images.shape[1:])
    changes = ends[[0, 2]] - ends[1]
    shown = torch.cat(pixels).view(len(SHARES), count, *pixels[0].shape[1:])
    return Filmstrip(
        index, step, shown, changes.to(torch.float64).square().mean(dim=(0, 1, 2)), consistency(changes[1])
    )


def coarse_middle_fine(count: int) -> dict[str, tuple[int, ...]]:
    """Split the rows of a space's codes, which go from coarse to fine, into coarse_middle_fine: {name: rows}.

    n rows are cut at ⌊n/3⌋ and ⌊2n/3⌋, so that what is left over goes to the finer parts, as the papers' own ranges
    do: 4 rows give 1, 1 and 2, 14 give 4, 5 and 5, 18 give 6 each. Two rows are coarse and fine; one cannot be split.
    """
    if count < 2:
        return {}
    names = ("coarse", "middle", "fine") if count > 2 else ("coarse", "fine")
    cuts = [count * place // len(names) for place in range(len(names) + 1)]
    return {name: tuple(range(*ends)) for name, ends in zip(names, pairwise(cuts), strict=True)}


def moved_rows_by_scale(directions: Directions) -> dict[str, tuple[int, ...]]:
    """Take from each third of the space's rows those that directions move; a third without any is left out."""
    moved = range(directions.space.layers) if directions.layers is None else directions.layers
    found = {
        name: tuple(row for row in rows if row in moved)
        for name, rows in coarse_middle_fine(directions.space.layers).items()
    }
    return {name: rows for name, rows in found.items() if rows}


def parts(scene: Scene, tick: Tick) -> list[list[Part]]:
    """Move each direction on those of its rows that are coarse, middle and fine, at the first code: a list a direction.

    Each third is moved until the change inside the region is `measures.VISIBLE_CHANGE`, like the whole, so that what
    it does can be seen even where it takes a larger strength. Empty where codes have a single row.
    """
    code, vectors = scene.codes[0], scene.directions.vectors
    found: list[list[Part]] = [[] for _ in vectors]
    for name, rows in moved_rows_by_scale(scene.directions).items():
        for index, step in enumerate(scene.steps(rows)):
            vector = (step * vectors[index]).to(code.latents)
            moves = [scene.model.adapter.move(code, sign * vector, rows) for sign in (-1, 0, 1)]
            found[index].append(Part(name, rows, float(step), _shown(render(scene.model, join(moves)))))
            tick(len(moves))
    return found


def _is_end(place: int, count: int) -> bool:
    """Say whether the image at a place, frame by frame and code by code, belongs to an end or to the middle."""
    return place // count in {0, MIDDLE, len(SHARES) - 1}


def _shown(images: Tensor) -> Tensor:
    """Turn images (n, 3, height, width) into pixels (n, h, w, 3) of the size that is shown."""
    return torch.stack([_pixels(to_picture(OutlinedImage(pixels))) for pixels in to_pixels(images)])


def _pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture))
