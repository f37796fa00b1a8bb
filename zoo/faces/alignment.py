"""Where to cut a square out of a photograph, so that the face lies in it as in the pictures that a network has seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.imaging.frames import Frame
from zoo.registry.alignment import Alignment


def face_frame(alignment: Alignment, points: NDArray[np.float64]) -> Frame:
    """Find the square to cut out of a photograph.

    Args:
        alignment: The rule by which the network's pictures were cut.
        points: Eyes, nose and corners of the mouth in the photograph, x and y in pixels, (5, 2).

    Returns:
        The square. It turns with the face, so that a face that lies on its side stands upright in it.
    """
    if alignment.points is None:
        return _ffhq_frame(points)
    return _fitted_frame(np.array(alignment.points), points)


def _ffhq_frame(points: NDArray[np.float64]) -> Frame:
    """Follow Karras et al., Progressive Growing of GANs (2018), appendix C; y is down here, and up there."""
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    between_eyes = points[1] - points[0]
    to_mouth = mouth - eyes
    centre = eyes + 0.1 * to_mouth
    side = max(4.0 * float(np.hypot(*between_eyes)), 3.6 * float(np.hypot(*to_mouth)))
    # to_mouth turned by a quarter points along the eyes: the mean of both is steadier than either
    along = np.add(between_eyes, [to_mouth[1], -to_mouth[0]])
    right = along / np.hypot(*along) * side
    return _square(centre - (right + _down(right)) / 2, right)


def _fitted_frame(wanted: NDArray[np.float64], points: NDArray[np.float64]) -> Frame:
    """Fit a scaling, turn and shift by least squares: as complex numbers, points ≈ corner + right · wanted."""
    target, source = wanted @ [1, 1j], points @ [1, 1j]
    spread = target - target.mean()
    right = np.vdot(spread, source - source.mean()) / np.vdot(spread, spread).real
    corner = source.mean() - right * target.mean()
    return _square(np.array([corner.real, corner.imag]), np.array([right.real, right.imag]))


def _square(corner: NDArray[np.float64], right: NDArray[np.float64]) -> Frame:
    down = _down(right)
    return Frame(
        (float(corner[0]), float(corner[1])), (float(right[0]), float(right[1])), (float(down[0]), float(down[1]))
    )


def _down(right: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([-right[1], right[0]])
