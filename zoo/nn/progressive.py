"""Progressive growing (Karras et al., ICLR 2018, section 2): which resolutions of a network make its image.

The level of detail (LOD) says how far a network has grown. At 0 it is complete. At 1 its last resolution is not used
yet. At 0.4 the last resolution is being faded in, with a weight of 0.6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor

from torch import Tensor

from zoo.errors import CheckpointError
from zoo.nn.local_layers import NearestUpsample
from zoo.nn.window import Patch, Window

_UPSAMPLE = NearestUpsample()


@dataclass(frozen=True)
class Growth:
    """How far a network has grown.

    Attributes:
        levels: how many resolutions the network has. Level 0 has 4x4 pixels, each further level doubles the side.
        lod: the level of detail, from 0 to `levels` - 1.

    Raises:
        CheckpointError: for a level of detail out of range.
    """

    levels: int
    lod: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.lod <= self.levels - 1:
            raise CheckpointError(
                f"the level of detail {self.lod:g} is out of range: this network has levels of detail from 0 to "
                f"{self.levels - 1}"
            )

    @property
    def last_level(self) -> int:
        """The highest level in use."""
        return self.levels - 1 - floor(self.lod)

    @property
    def visible_levels(self) -> tuple[int, ...]:
        """The levels whose ToRGB output is in the image: the last one, or the last two while one is faded in."""
        return (self.last_level - 1, self.last_level) if self.lod % 1 else (self.last_level,)

    @property
    def img_resolution(self) -> int:
        """Height and width of the image: those of the complete network, whatever the level of detail."""
        return 2 << self.levels

    def level_window(self, window: Window) -> Window:
        """Return the window of the last level that a window of the image needs.

        Args:
            window: a window of the image.

        Returns:
            A window of the map of 4 · 2^`last_level` pixels a side.
        """
        size = 4 << self.last_level
        return self._enlargement.input_window(window, (size, size))

    def render(self, to_rgb: Callable[[int, Window], Tensor], window: Window) -> Tensor:
        """Compute a window of the image.

        Args:
            to_rgb: called as `to_rgb(level, window)` for each of the `visible_levels`; returns
                (n, img_channels, rows, columns), that window of the level's ToRGB output.
            window: the window of the image to compute.

        Returns:
            (n, img_channels, rows, columns).
        """
        level_window = self.level_window(window)
        patch = Patch(to_rgb(self.last_level, level_window), level_window)
        fade = self.lod % 1
        if fade:
            # x + fade · (upsample(x of the level below) − x)
            size = 2 << self.last_level
            window_below = _UPSAMPLE.input_window(level_window, (size, size))
            below = _UPSAMPLE(Patch(to_rgb(self.last_level - 1, window_below), window_below), level_window)
            patch = Patch(patch.values + fade * (below.values - patch.values), level_window)
        return patch.values if self._enlargement.factor == 1 else self._enlargement(patch, window).values

    @property
    def _enlargement(self) -> NearestUpsample:
        return NearestUpsample(2 ** (self.levels - 1 - self.last_level))
