"""The change that an edit makes to a network's image, carried over to the photograph that the image stands for.

A network draws a photograph only nearly, and only in its own size. The difference between the edited and the unedited
image is what the edit means; added to the photograph, it leaves everything else as it was taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from zoo.core.channels import as_rgb
from zoo.core.codes import Codes, join
from zoo.core.moves import Move, homes_of
from zoo.editing.fit import region_of_directions
from zoo.editing.render import render
from zoo.imaging.frames import Frame
from zoo.models.model import Model

# How wide the border is over which a change fades out, as a share of the image's longer side.
_FEATHER = 1 / 16


@dataclass(frozen=True, eq=False)
class Onto:
    """A photograph that edits of one code are carried over to.

    Attributes:
        name: What it is called.
        photograph: Of mode ``RGB``, in its own size.
        frame: What of it the network draws.
    """

    name: str
    photograph: Image.Image
    frame: Frame

    def reduced(self, side: int) -> Onto:
        """Shrink the photograph, so that drawing on it takes less.

        Args:
            side: Pixels of the longer side, at most.

        Returns:
            The photograph in a size that is no larger.
        """
        ratio = side / max(self.photograph.size)
        if ratio >= 1:
            return self
        size = [max(1, round(length * ratio)) for length in self.photograph.size]
        small = self.photograph.resize((size[0], size[1]), Image.Resampling.BOX)
        shares = (size[0] / self.photograph.width, size[1] / self.photograph.height)
        return Onto(self.name, small, self.frame.scaled(*shares))


def changes(
    model: Model, unedited: Codes, edited: Codes, moves: Sequence[Sequence[Move]], region: str | None = None
) -> Tensor:
    """Compute what edits of one code change in its image.

    Args:
        model: The model.
        unedited: The code (1).
        edited: The moved codes (n).
        moves: What each of them was moved along (n).
        region: Where the images may change; see `region_of`.

    Returns:
        What to add to images in [-1, 1], (n, 3, h, w): it fades out around the regions of the moves, and towards the
        border of the image.
    """
    images = as_rgb(render(model, join([unedited, edited]))).float().clamp(-1, 1)
    once = {tuple(map(id, along)): along for along in moves}  # most edits differ in their steps only
    weights = {key: feathered(region_of(model, along, region)) for key, along in once.items()}
    return (images[1:] - images[:1]) * torch.stack([weights[tuple(map(id, along))] for along in moves])[:, None]


def region_of(model: Model, moves: Sequence[Move], text: str | None = None) -> Tensor:
    """Find where moves may change an image: in the regions that their directions were found for.

    Args:
        model: The model.
        moves: The moves.
        text: A region to take instead; None takes those.

    Returns:
        (h, w), 1 inside and 0 outside.

    Raises:
        ZooError: If a region cannot be read here; see `region_of_directions`.
    """
    inside = torch.zeros(model.adapter.resolution)
    for directions in homes_of(moves):
        mask = region_of_directions(model, directions, text).mask
        inside = torch.maximum(inside, torch.from_numpy(mask.copy()).float())
    return inside


def feathered(inside: Tensor) -> Tensor:
    """Let a region fade out.

    Args:
        inside: (h, w), 1 inside and 0 outside.

    Returns:
        (h, w) from 0 to 1: 1 inside, falling to 0 around it and at the border of the image.
    """
    reach = max(1, math.ceil(max(inside.shape) * _FEATHER))
    # A region grown by `reach` and averaged over the same reach is still 1 where it was.
    # Both go along the columns and then along the rows: of images of 1024², a window has 129 x 129 pixels.
    soft = inside[None, None]
    for window in ((2 * reach + 1, 1), (1, 2 * reach + 1)):
        soft = max_pool2d(soft, window, stride=1, padding=(window[0] // 2, window[1] // 2))
    soft = pad(soft, [reach] * 4, mode="replicate")
    for window in ((2 * reach + 1, 1), (1, 2 * reach + 1)):
        soft = avg_pool2d(soft, window, stride=1)
    soft = soft[0, 0]
    rows, columns = (_ramp(side, reach) for side in inside.shape)
    return soft * rows[:, None] * columns[None, :]


def _ramp(side: int, reach: int) -> Tensor:
    """Rise from 0 to 1 over `reach` pixels from both ends of a side."""
    middles = torch.arange(side) + 0.5
    return (middles.minimum(side - middles) / reach).clamp(max=1)
