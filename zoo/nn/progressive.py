"""Progressive growing (Karras et al., ICLR 2018, section 2): which resolutions of a network make its picture.

The level of detail tells how far a network has grown: 0 when it is done, 1 when its last resolution is still to come,
and 0.4 when that is being faded in and has a share of 0.6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor

from torch import Tensor

from zoo.errors import CheckpointError
from zoo.nn.window import NearestUpsample, Patch, Window

_REPEAT = NearestUpsample()


@dataclass(frozen=True)
class Growth:
    """How far a network of `levels` resolutions, from 4x4 pixels on, has grown. Raises `CheckpointError`."""

    levels: int
    lod: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.lod <= self.levels - 1:
            most = self.levels - 1
            raise CheckpointError(f"the level of detail {self.lod:g} does not lie within 0 and this network's {most}")

    @property
    def last(self) -> int:
        """The last resolution that is used, counted from 0."""
        return self.levels - 1 - floor(self.lod)

    @property
    def drawn(self) -> tuple[int, ...]:
        """The resolutions whose colours are in the picture."""
        return (self.last - 1, self.last) if self.lod % 1 else (self.last,)

    @property
    def side(self) -> int:
        """Rows and columns of the picture, however far the network has grown."""
        return 2 << self.levels

    def shown(self, window: Window) -> Window:
        """Give the window of the last resolution that a window of the picture needs."""
        return self._enlarge.input_window(window, (4 << self.last, 4 << self.last))

    def picture(self, colours: Callable[[int, Window], Tensor], window: Window) -> Tensor:
        """Make a window of the picture from `colours(level, window)` (n, 3, h, w) of the last resolution, or two."""
        wanted, fade = self.shown(window), self.lod % 1
        shown = Patch(colours(self.last, wanted), wanted)
        if fade:
            within = _REPEAT.input_window(wanted, (2 << self.last, 2 << self.last))
            below = _REPEAT(Patch(colours(self.last - 1, within), within), wanted)
            shown = Patch(shown.values + fade * (below.values - shown.values), wanted)
        return shown.values if self._enlarge.factor == 1 else self._enlarge(shown, window).values

    @property
    def _enlarge(self) -> NearestUpsample:
        return NearestUpsample(2 ** (self.levels - 1 - self.last))
