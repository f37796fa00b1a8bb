"""A scorer whose scores are known pixels, for networks that are known maps."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from zoo import Scorer


class PixelScorer(Scorer):
    """Scores of three pixels of the upper row; the third has two values, scored by `contrast` times the pixel."""

    attributes: ClassVar[Sequence[str]] = ("first", "second", "third=dark", "third=light")
    contrast: ClassVar[float] = 1.0

    def fits(self, card: object) -> bool:
        return True

    def score(self, images: Tensor) -> Tensor:
        first, second, third = images.mean(dim=1)[:, 0, :3].unbind(dim=1)
        return torch.stack([5 * first, second, -self.contrast * third, self.contrast * third], dim=1)
