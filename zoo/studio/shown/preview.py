"""The linear preview: while a slider is dragged, slow networks are followed along a straight line.

From the pictures G(c) where the drag began and G(c + h v) of its first step, the change for one unit of a direction v
is (G(c + h v) − G(c)) / h; what is shown is G(c) plus that change times the distance. The picture after the drag is
the network's own.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn.functional import interpolate

from zoo._utils.pixels import to_pixels
from zoo.studio.shown.opened import OpenModel
from zoo.studio.shown.rendering import Picture, encode
from zoo.studio.shown.views import Along, Scene, draw_images, draw_pixels

# Networks that take longer than this for what is shown are previewed: fewer than ten pictures a second.
_SLOW_SECONDS = 0.1
# A change is measured over at least this step: over a shorter one, rounding errors would be seen.
_LEAST_STEP = 0.05
# Bytes of pictures that are kept.
_MOST_BYTES = 2**29


class _Wall(NamedTuple):
    """Where pictures hang: a lane of a page, with pictures of a model in a size."""

    lane: Hashable
    model: int
    size: int | None


@dataclass(frozen=True)
class _Shown:
    """The pictures that a lane shows, as the network drew them."""

    scene: Scene
    images: Tensor


class Pictures:
    """Renders scenes, or previews them. It belongs to the thread that renders."""

    def __init__(self) -> None:
        self._shown: OrderedDict[Hashable, _Shown] = OrderedDict()
        self._changes: OrderedDict[Hashable, Tensor] = OrderedDict()

    def render(
        self, lane: Hashable, opened: OpenModel, scene: Scene, size: int | None = None, *, preview: bool = False
    ) -> Picture:
        """Render a scene.

        Args:
            lane: Whose pictures these are.
            opened: The model.
            scene: The scene.
            size: Pixels of the longer side of each picture, where the network draws larger ones.
            preview: Whether a preview will do where the network is slow.

        Returns:
            The picture.
        """
        began = time.perf_counter()
        wall = _Wall(lane, opened.number, size)
        count = len(scene.codes)
        slow = opened.seconds.get(count, 0.0) > _SLOW_SECONDS
        previewed = self._preview(wall, opened, scene) if slow and preview else None
        if previewed is not None:
            return encode(to_pixels(previewed), None, began, exact=False)
        if slow:
            images = draw_images(opened, scene)
            pixels = to_pixels(images)
            self._keep(self._shown, wall, _Shown(scene, _reduced(images, size)))
        else:
            pixels = draw_pixels(opened, scene)
        opened.seconds[count] = time.perf_counter() - began
        return encode(pixels, size, began)

    def _preview(self, wall: _Wall, opened: OpenModel, scene: Scene) -> Tensor | None:
        """Follow the change of each move that differs from what was drawn last; None where nothing was drawn yet."""
        shown = self._shown.get(wall)
        if shown is None or shown.scene.codes != scene.codes:
            return None
        before, after = _strengths(shown.scene), _strengths(scene)
        images = shown.images
        for direction in {**before, **after}:
            step = after.get(direction, 0.0) - before.get(direction, 0.0)
            if step:
                images = images + step * self._change(wall, opened, direction, step)
        return images

    def _change(self, wall: _Wall, opened: OpenModel, direction: Along, step: float) -> Tensor:
        """Measure what one unit of a direction changes, once for what is shown."""
        shown = self._shown[wall]
        key = wall, shown.scene, direction
        if key not in self._changes:
            length = math.copysign(max(abs(step), _LEAST_STEP), step)
            moved = Scene(shown.scene.codes, (*shown.scene.moves, replace(direction, strength=length)))
            images = _reduced(draw_images(opened, moved), wall.size)
            self._keep(self._changes, key, (images - shown.images) / length)
        return self._changes[key]

    def _keep(self, kept: OrderedDict[Hashable, Any], key: Hashable, value: Any) -> None:
        kept[key] = value
        kept.move_to_end(key)
        while len(kept) > 1 and sum(map(_bytes, kept.values())) > _MOST_BYTES:
            kept.popitem(last=False)


def _bytes(kept: Any) -> int:
    images: Tensor = kept.images if isinstance(kept, _Shown) else kept
    return images.numel() * images.element_size()


def _strengths(scene: Scene) -> dict[Along, float]:
    """Add up how far codes are moved along each direction; as a key, it has no strength of its own."""
    strengths: dict[Along, float] = {}
    for along in scene.moves:
        direction = replace(along, strength=0.0)
        strengths[direction] = strengths.get(direction, 0.0) + along.strength
    return strengths


def _reduced(images: Tensor, size: int | None) -> Tensor:
    """Reduce images by area, as pictures are."""
    longer = max(images.shape[2:])
    if size is None or longer <= size:
        return images.float()
    height, width = (max(1, round(length * size / longer)) for length in images.shape[2:])
    return interpolate(images.float(), (height, width), mode="area")
