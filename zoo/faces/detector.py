"""Finding faces and their eyes, nose and mouth in a photograph, by MTCNN's cascade of three networks.

`recipes/faces.py` made `mtcnn.safetensors` of the weights that facenet-pytorch 2.6.0 ships (MIT licence).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.ops import nms, roi_align

from zoo.faces.networks import Judged, ProposalNetwork, SquareNetwork, output_network, refinement_network

WEIGHTS = Path(__file__).with_name("mtcnn.safetensors")

# The smallest face that is looked for, in pixels and as a share of the picture's shorter side: a photograph of a person
# shows a large one, and small ones cost most of the time.
_SMALLEST = 20
_SMALLEST_SHARE = 1 / 24
# Turns to the left, and how to come back: (x, y) @ matrix + shift · (width, height).
_TURNS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
_BACK = {
    1: ([[0, 1], [-1, 0]], (1, 0)),
    2: ([[-1, 0], [0, -1]], (1, 1)),
    3: ([[0, -1], [1, 0]], (0, 1)),
}
# Photographs are brought to this many pixels on the shorter side first.
_MOST_SIDE = 768
# The paper's steps of the pyramid, and the usual thresholds of the three networks.
_PYRAMID_STEP = 0.709
_THRESHOLDS = (0.6, 0.7, 0.7)
# Boxes that share more than this of their union are one face: within a level of the pyramid, and else.
_SAME_IN_LEVEL = 0.5
_SAME = 0.7
# How many proposals are followed: a crowd has fewer, noise may have any number.
_MOST_SQUARES = 512


@dataclass(frozen=True)
class Face:
    """A face in a photograph; x to the right, y down, in pixels, from the corner of the first pixel.

    Attributes:
        box: Left, top, right, bottom.
        points: x and y of the eye on the left of the picture, the one on the right, the tip of the nose, and the
            corners of the mouth on the left and on the right: (5, 2).
        probability: How sure the last network is.
    """

    box: tuple[float, float, float, float]
    points: NDArray[np.float64]
    probability: float

    @property
    def area(self) -> float:
        """The area of the box, in pixels."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


# How sure the last network must be that a photograph need not be turned, or that a turned one shows a face: of upright
# faces it is surer, and in turned ones it sees a face where there is none.
_SURE = 0.95


def find_faces_any_way_up(photograph: Image.Image) -> tuple[list[Face], int]:
    """Find the faces in a photograph that may lie on its side or be upside down.

    Args:
        photograph: Of mode ``RGB``.

    Returns:
        The faces, the largest first, where they are in the photograph as it is; and by how many degrees it had to be
        turned to the left until one was found: 0, 90, 180 or 270.
    """
    upright = find_faces(photograph)
    if any(face.probability >= _SURE for face in upright):
        return upright, 0
    turned = {
        quarters: [face for face in find_faces(photograph.transpose(turn)) if face.probability >= _SURE]
        for quarters, turn in enumerate(_TURNS, start=1)
    }
    best = max(turned, key=lambda quarters: max((face.probability for face in turned[quarters]), default=0.0))
    if not turned[best]:
        return upright, 0
    return [_turned_back(face, best, photograph.size) for face in turned[best]], 90 * best


def _turned_back(face: Face, quarters: int, size: tuple[int, int]) -> Face:
    """Tell where a face is in a photograph of a size, from where it is in the turned one."""
    turn, shift = _BACK[quarters]
    corners = np.array(face.box).reshape(2, 2) @ turn + np.multiply(shift, size)
    box = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
    return Face(box, face.points @ turn + np.multiply(shift, size), face.probability)


@torch.inference_mode()
def find_faces(photograph: Image.Image) -> list[Face]:
    """Find the faces in a photograph.

    Args:
        photograph: Of mode ``RGB``, the right way up.

    Returns:
        The faces, the largest first. Nothing is drawn at random.
    """
    scale = min(1.0, _MOST_SIDE / min(photograph.size))
    size = (round(photograph.width * scale), round(photograph.height * scale))
    small = photograph if scale == 1 else photograph.resize(size, Image.Resampling.BOX)
    pixels = torch.from_numpy(np.array(small, dtype=np.float32)).movedim(-1, 0)[None].sub_(127.5).div_(128)
    back = photograph.width / small.width
    faces = [
        Face(tuple((box * back).tolist()), points.double().numpy() * back, float(probability))
        for box, points, probability in zip(*_cascade(pixels), strict=True)
    ]
    return sorted(faces, key=lambda face: -face.area)


def _cascade(pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the boxes (n, 4), points (n, 5, 2) and probabilities (n,) of the faces in a picture (1, 3, h, w)."""
    proposing, refining, judging = _networks()
    squares = _squared(_propose(proposing, pixels))
    squares, judged = _likely(squares, _judge(refining, pixels, squares, 24), _THRESHOLDS[1])
    picked = nms(squares, judged.face, _SAME)
    squares = _squared(_moved(squares, judged.box)[picked])
    squares, judged = _likely(squares, _judge(judging, pixels, squares, 48), _THRESHOLDS[2])
    boxes = _moved(squares, judged.box)
    corners, sides = squares[:, None, :2], squares[:, None, 2:] - squares[:, None, :2]
    picked = _distinct(boxes, judged.face)
    return boxes[picked], (corners + judged.points * sides)[picked], judged.face[picked]


def _propose(network: ProposalNetwork, pixels: Tensor) -> Tensor:
    """Propose boxes (n, 4): those of all levels of the pyramid, the likeliest first."""
    shorter = min(pixels.shape[2:])
    scale = network.SIDE / max(_SMALLEST, shorter * _SMALLEST_SHARE)
    boxes, faces = [torch.empty(0, 4)], [torch.empty(0)]
    while shorter * scale >= network.SIDE:
        level = interpolate(pixels, size=[math.ceil(side * scale) for side in pixels.shape[2:]], mode="area")
        face, offsets = network(level)
        places = (face >= _THRESHOLDS[0]).nonzero()
        corners = places.flip(1) * (network.STRIDE / scale)
        squares = torch.cat([corners, corners + network.SIDE / scale], dim=1)
        likely, offsets = face[places.unbind(1)], offsets[places.unbind(1)]
        picked = nms(squares, likely, _SAME_IN_LEVEL)
        boxes.append(_moved(squares, offsets)[picked])
        faces.append(likely[picked])
        scale *= _PYRAMID_STEP
    proposed, likely = torch.cat(boxes), torch.cat(faces)
    return proposed[nms(proposed, likely, _SAME)[:_MOST_SQUARES]]


def _judge(network: SquareNetwork, pixels: Tensor, squares: Tensor, side: int) -> Judged:
    """Let a network look at squares, each brought to the same side; what lies outside the picture is grey."""
    judged: Judged = network(roi_align(pixels, [squares], (side, side), sampling_ratio=-1, aligned=True))
    return judged


def _likely(squares: Tensor, judged: Judged, threshold: float) -> tuple[Tensor, Judged]:
    chosen = judged.face >= threshold
    return squares[chosen], Judged(*(value[chosen] for value in judged))


def _moved(squares: Tensor, offsets: Tensor) -> Tensor:
    sides = squares[:, 2:] - squares[:, :2]
    return squares + offsets * sides.repeat(1, 2)


def _squared(boxes: Tensor) -> Tensor:
    """Return the squares with the centre and the longer side of boxes."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True) / 2
    return torch.cat([centres - half, centres + half], dim=1)


def _distinct(boxes: Tensor, face: Tensor) -> list[int]:
    """Pick boxes, the likeliest first, that share little of the smaller one's area with those before."""
    areas = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
    picked: list[int] = []
    for index in face.argsort(descending=True).tolist():
        first = torch.maximum(boxes[index, :2], boxes[picked, :2])
        last = torch.minimum(boxes[index, 2:], boxes[picked, 2:])
        shared = (last - first).clamp(min=0).prod(dim=1)
        if bool((shared <= _SAME * torch.minimum(areas[index], areas[picked])).all()):
            picked.append(index)
    return picked


@functools.cache
def _networks() -> tuple[ProposalNetwork, SquareNetwork, SquareNetwork]:
    networks = (ProposalNetwork(), refinement_network(), output_network())
    together = nn.ModuleDict(dict(zip("pro", networks, strict=True)))
    together.load_state_dict(load_file(WEIGHTS))
    together.requires_grad_(requires_grad=False).eval()
    return networks
