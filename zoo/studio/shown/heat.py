"""Where a picture changes: the squared change of its pixels, in colours."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from zoo.core.channels import as_rgb
from zoo.core.region import Region
from zoo.editing.steps import squared_change
from zoo.imaging.images import write_png
from zoo.report.plots import heat_map
from zoo.studio.shown.opened import OpenModel
from zoo.studio.shown.views import Scene, draw_images


@dataclass(frozen=True)
class Heat:
    """A heat map.

    Attributes:
        content: A PNG.
        top: The largest squared change that is shown, of images in [-1, 1].
        inside: The share of the change inside the region; None without a region, or without a change.
    """

    content: bytes
    top: float
    inside: float | None


def draw_heat(opened: OpenModel, scene: Scene, region: Region | None) -> Heat:
    """Show where the first picture of a scene differs from the unmoved one.

    Args:
        opened: The model.
        scene: The scene.
        region: Where the change is meant to be.

    Returns:
        The heat map.
    """
    first = Scene(scene.codes[:1], scene.moves)
    moved, unmoved = (as_rgb(draw_images(opened, each)) for each in (first, Scene(first.codes)))
    squares = squared_change(moved - unmoved)[0].numpy()
    heat, total = heat_map(squares), float(squares.sum())
    buffer = io.BytesIO()
    write_png(heat.picture, buffer)
    inside = None if region is None or not total else float(np.where(region.mask, squares, 0).sum()) / total
    return Heat(buffer.getvalue(), heat.top, inside)
