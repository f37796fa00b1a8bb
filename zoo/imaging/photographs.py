"""Photographs as networks need them: sRGB, opaque, the right way up, cut to the network's shape and resampled."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms
from torch import Tensor

from zoo._utils.pictures import PictureError, open_picture
from zoo.imaging.frames import Frame

# Modes of Pillow that hold numbers of more than eight bits, and the largest of 16 bits.
_WIDE_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_MOST_16_BIT = 65535


def read_photograph(path: Path) -> Image.Image:
    """Read a picture file as it is meant to be seen.

    Args:
        path: The file.

    Returns:
        The first frame in sRGB, of mode ``RGB``, the right way up; transparent parts lie on white.

    Raises:
        PictureError: If the file is no picture that can be read, or its values have no agreed meaning.
    """
    return to_srgb(open_picture(path))


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert a picture of any mode.

    Args:
        image: The picture; its colour profile, if it has one, is followed.

    Returns:
        The picture of mode ``RGB`` in sRGB, laid on white.

    Raises:
        PictureError: If its values are floating point numbers, of which nothing says what is white.
    """
    if image.mode == "F":
        raise PictureError("its pixels are floating point numbers, of which nothing says what is white: save 8 bits")
    if image.mode in _WIDE_MODES:
        image = _narrowed(image)
    alpha = _alpha(image)
    image = _in_srgb(image)
    if alpha is None:
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=alpha)
    return ground


def centre_frame(size: tuple[int, int], shape: tuple[int, int]) -> Frame:
    """Find the largest rectangle in the middle of a photograph that has a network's aspect ratio.

    Args:
        size: Height and width of the photograph.
        shape: Height and width of the network's images.

    Returns:
        The rectangle.
    """
    scale = min(size[0] / shape[0], size[1] / shape[1])
    height, width = shape[0] * scale, shape[1] * scale
    return Frame.upright((size[1] - width) / 2, (size[0] - height) / 2, width, height)


def resample(image: Image.Image, frame: Frame, shape: tuple[int, int]) -> Tensor:
    """Cut a frame out of a photograph and bring it to the size of a network's images.

    Each pixel of a smaller picture is the mean over the area that it covers, with its borders to a fraction of a pixel;
    a larger picture is interpolated. A frame that is turned, or reaches beyond the photograph, is cut out at the
    photograph's own scale first.

    Args:
        image: The photograph, of mode ``RGB``.
        frame: What to take of it.
        shape: Height and width to bring it to.

    Returns:
        (3, height, width), float32 in [-1, 1].
    """
    if not frame.is_upright or frame.outside(image.size):
        image = frame.cut(image)
        frame = Frame.upright(0, 0, image.width, image.height)
    pixels = np.asarray(image)
    rows = _weights(image.height, frame.corner[1], frame.height, shape[0])
    columns = _weights(image.width, frame.corner[0], frame.width, shape[1])
    taken = np.empty((3, *shape), dtype=np.float32)
    for row, weights in enumerate(rows):  # only the rows that count are ever held as floating point numbers
        first, last = np.flatnonzero(weights)[[0, -1]]
        used = slice(first, last + 1)
        mean = np.tensordot(weights[used], pixels[used].astype(np.float32), axes=1)
        taken[:, row] = (columns @ mean).T
    return torch.from_numpy(taken).div_(127.5).sub_(1).clamp_(-1, 1)


def to_grey(picture: Tensor) -> Tensor:
    """Take the colour out of a picture: three equal channels of its luma (ITU-R BT.601, as Pillow has it).

    Args:
        picture: (3, h, w).

    Returns:
        (3, h, w).
    """
    luma = torch.tensor([0.299, 0.587, 0.114], dtype=picture.dtype).view(3, 1, 1)
    return (picture * luma).sum(dim=0, keepdim=True).expand_as(picture)


def _weights(length: int, start: float, extent: float, count: int) -> NDArray[np.float32]:
    """Return how much each of `length` pixels counts in each of `count` that cover [start, start + extent)."""
    step = extent / count
    if step < 1:
        return _interpolation(length, start + (np.arange(count) + 0.5) * step - 0.5)
    edges = start + np.arange(count + 1) * step
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares: NDArray[np.float32] = (overlap.clip(0) / step).astype(np.float32)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def _interpolation(length: int, positions: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return the weights of cubic interpolation (Keys 1981, a = −1/2) at positions in pixels; the ends are repeated."""
    weights = np.zeros((len(positions), length), dtype=np.float32)
    for offset in range(-1, 3):
        sources = np.floor(positions).astype(int) + offset
        distance = np.abs(positions - sources)
        near = (1.5 * distance - 2.5) * distance**2 + 1
        far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
        share = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
        np.add.at(weights, (np.arange(len(positions)), sources.clip(0, length - 1)), share.astype(np.float32))
    return weights


def _narrowed(image: Image.Image) -> Image.Image:
    """Bring a picture of 16 bits to eight; one of 32 bits holds 16, as Pillow reads it."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > _MOST_16_BIT:
        raise PictureError("its pixels are numbers of more than 16 bits: save 8 or 16 bits")
    narrow = values if image.mode == "I" and values.max() <= 255 else (values + 128) // 257
    result = Image.fromarray(narrow.astype(np.uint8))
    result.info = dict(image.info)
    return result


def _alpha(image: Image.Image) -> Image.Image | None:
    """Return the opacity of a picture that has any transparent pixel."""
    if "transparency" in image.info and image.mode in {"P", "RGB", "L", "1"}:
        image = image.convert("RGBA")
    if image.mode in {"PA", "La", "RGBa"}:
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.mode not in {"RGBA", "LA"}:
        return None
    alpha = image.getchannel("A")
    return None if alpha.getextrema() == (255, 255) else alpha


def _in_srgb(image: Image.Image) -> Image.Image:
    """Follow a picture's colour profile; without one that can be read, its colours are taken as sRGB."""
    profile = image.info.get("icc_profile")
    if image.mode == "LAB":
        return _by_profile(image, ImageCms.createProfile("LAB"))
    if image.mode in {"1", "P", "PA", "LA", "La", "RGBA", "RGBa"}:  # profiles are of the colours without opacity
        has_colours = image.mode not in {"1", "LA", "La"}
        image = image.convert("RGBA").convert("RGB") if has_colours else image.convert("L")
    if profile:
        with suppress(ImageCms.PyCMSError, OSError, ValueError):
            return _by_profile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    return image.convert("RGB")


def _by_profile(image: Image.Image, profile: Any) -> Image.Image:
    transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), image.mode, "RGB")
    return ImageCms.applyTransform(image, transform) or image.convert("RGB")
