"""How the pictures that a network was trained on were cut around faces, in words. Importing it is torch-free."""

from __future__ import annotations

import re
from dataclasses import dataclass

NONE = "none"
_FFHQ = "ffhq"
_POINTS = "points:"
_HOW_MANY = 5
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_REACH = 2.0  # points may lie outside the picture, as those of a cut out cheek do, but not far

Point = tuple[float, float]

# The middle 178 x 178 of CelebA's aligned pictures: medians of the points that `zoo.faces` finds in 198 pictures of
# dcgan.celeba64. In CelebA's own list of landmarks eyes and mouth differ by 0.01 at most, and the nose is 0.02 higher.
_CELEBA = ((0.3875, 0.5140), (0.6089, 0.5142), (0.4987, 0.6512), (0.4013, 0.7443), (0.5989, 0.7439))


@dataclass(frozen=True)
class Alignment:
    """A rule by which squares are cut around faces.

    Attributes:
        text: The rule in words.
        points: Where eyes, nose and corners of the mouth lie in a picture: x and y of five points as shares of its
            sides. None is the rule of CelebA-HQ and FFHQ (Karras et al. 2018, appendix C), which holds no point fixed.
    """

    text: str
    points: tuple[Point, ...] | None


def parse_alignment(text: str) -> Alignment | None:
    """Read a rule.

    Args:
        text: ``ffhq``, ``celeba``, ``none``, or ``points:`` and ten numbers: x and y of the eye on the left of the
            picture, the one on the right, the nose, and the corners of the mouth on the left and on the right, as
            shares of the picture's sides.

    Returns:
        The rule; None for ``none``.

    Raises:
        ValueError: If it is none of these.
    """
    if text == NONE:
        return None
    if text == _FFHQ:
        return Alignment(text, None)
    if text == "celeba":
        return Alignment(text, _CELEBA)
    return Alignment(text, _parse_points(text))


def _parse_points(text: str) -> tuple[Point, ...]:
    words = [word.strip() for word in text.removeprefix(_POINTS).split(",")]
    if not text.startswith(_POINTS):
        raise ValueError(f"the alignment {text!r} is unknown: there are ffhq, celeba, points:… and none")
    if len(words) != 2 * _HOW_MANY or not all(_NUMBER.fullmatch(word) for word in words):
        raise ValueError(f"the alignment {text!r} needs ten numbers: x and y of eyes, nose and corners of the mouth")
    numbers = [float(word) for word in words]
    if any(abs(number - 0.5) > _REACH for number in numbers):
        raise ValueError(f"the alignment {text!r} has its points as shares of the picture's sides, such as 0.38")
    points = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    (left, right) = points[:2]
    if left[0] >= right[0]:
        raise ValueError(f"the alignment {text!r} starts with the eye on the left of the picture")
    return points
