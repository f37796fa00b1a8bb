"""Masks in picture files: which pixels are meant, whatever the picture's mode.

===========================================  ==============================================================
picture                                      pixels inside
===========================================  ==============================================================
black and white, shades between              those of half the full value (128 of 255) or more
a single value other than 0                  those of that value
one colour on black                          the same of that colour
parts transparent                            those that are not, and, if these are black and white, white
several labels or colours                    asked: ``FILE#3``, ``FILE#1-4`` or ``FILE#ff0000`` chooses them
===========================================  ==============================================================

The full value is that of the file: 255, 65,535 of 16 bits, or 1 of floating point numbers up to 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo._utils.paths import expand_home
from zoo._utils.pictures import open_picture
from zoo.core.files.arrays import MisfitError, warn_of_reading
from zoo.core.files.reading import split_name
from zoo.errors import few_names

Mask = NDArray[np.bool_]
Values = NDArray[Any]

# More values than these are seldom labels.
_MOST_LABELS = 64

# Pixels of the largest mask; it need not be as large as the image.
_MOST_PIXELS = 2**23

# The full values of integers whose number of bits the file does not say.
_FULL_VALUES = (255, 65535, 2**31 - 1)

# Modes of pictures in colours that are read as another one.
_CONVERTED = {"CMYK": "RGB", "YCbCr": "RGB", "RGBX": "RGB", "La": "LA", "RGBa": "RGBA", "PA": "RGBA"}

# Neighbouring values of so many labels differ by more than this part of the full value; those of shades by less.
_STEP_OF_LABELS = 1 / 32

# How far the channels of a grey pixel, or of a shade of one colour, may differ from it: JPEG does not keep them.
_COLOUR_TOLERANCE = 24

# How many pixels of the image a resampled mask may be too wide or too narrow.
_ASPECT_TOLERANCE = 0.5


def read_mask(path: Path, size: tuple[int, int]) -> Mask:
    """Read a mask, and resample it to the size of an image by area.

    A `ReadingWarning` says what was taken for inside wherever that is not simply what is 128 or brighter.

    Args:
        path: the file, or ``FILE#3`` and the like.
        size: (height, width) of the image.

    Returns:
        (height, width), True inside.

    Raises:
        PictureError: the file cannot be read as a picture.
        MisfitError: its pixels can be understood in several ways, there is no such label, or its shape is not that of
            the image; the message goes on after the file's name.

    """
    file, label = split_name(expand_home(path))
    picture = open_picture(file, most_pixels=_MOST_PIXELS)
    if picture.mode in _CONVERTED:
        kind, picture = picture.format, picture.convert(_CONVERTED[picture.mode])
        picture.format = kind
    elif picture.mode == "LAB":
        raise MisfitError("is a picture in the colours of L*a*b*: save it in grey or RGB")
    height, width = size
    if abs(picture.width / picture.height - width / height) * height > _ASPECT_TOLERANCE:
        raise MisfitError(
            f"has {picture.height} x {picture.width} pixels (rows x columns), and the image {height} x {width}: "
            "crop or pad it to the image's shape"
        )
    mask, remark = _chosen(picture, label) if label is not None else _meant(picture)
    if mask.shape != size:
        share = Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
        mask = np.asarray(share) >= 0.5
        resampled = f"is resampled by area from {picture.height} x {picture.width} to {height} x {width} pixels"
        remark = " and ".join(filter(None, (remark, resampled)))
    warn_of_reading(str(file), remark)
    return mask


def _chosen(picture: Image.Image, label: str) -> tuple[Mask, str]:
    """Select the pixels of a label, of a range of labels, or of a colour."""
    if re.fullmatch(r"[0-9a-fA-F]{6}", label) and not _is_grey(picture):
        colour = [int(label[start : start + 2], 16) for start in (0, 2, 4)]
        mask = (np.asarray(picture.convert("RGB")) == colour).all(axis=2)
        known = _few_colours(picture)
    else:
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", label)
        values = _labels(picture)
        known = _few_values(values) if values is not None else _few_colours(picture)
        if not match or values is None:
            union = "; several are FILE#1-4, or mask:FILE#1+mask:FILE#3" if "," in label else ""
            raise MisfitError(f"has no label {label!r}: there are {known}{union}")
        mask = (values >= int(match[1])) & (values <= int(match[2] or match[1]))
    if not mask.any():
        raise MisfitError(f"has no pixel of the label {label}: there are {known}")
    return mask & _visible(picture), ""


def _meant(picture: Image.Image) -> tuple[Mask, str]:
    """Find the pixels that a picture means without being told, and a remark on them."""
    visible = _visible(picture)
    if not visible.all():
        return _meant_by_transparency(picture, visible)
    if (shades := _shades(picture)) is None:
        raise _ask_for_label(picture)
    values, full, name = shades
    if not np.isfinite(values).all():
        raise MisfitError("holds values that are no finite numbers")
    found = np.unique(values)
    if found[-1] <= 0:
        raise MisfitError("holds no pixel: it is black everywhere")
    if len(found) > 2 and picture.format != "JPEG" and _are_labels(values, full, many=len(found) > _MOST_LABELS):
        raise _ask_for_label(picture)
    return _brighter(values, found, full, name)


def _ask_for_label(picture: Image.Image) -> MisfitError:
    """Build the error for a picture of several labels or colours."""
    values = _labels(picture)
    if values is None:
        names = _colour_names(picture)
        if not names:
            return MisfitError("is a picture in colours, not a mask: make what is inside white, and the rest black")
        return MisfitError(
            f"holds {len(names)} colours: choose one, as in FILE#{names[-1]}; there are {few_names(names)}"
        )
    found = np.unique(values)
    first, last = (f"{found[index]:g}" for index in (1, -1))
    return MisfitError(
        f"holds {len(found)} labels: choose one, as in FILE#{first}, or several, as in FILE#{first}-{last}; "
        f"there are {_few_values(values)}"
    )


def _brighter(values: Values, found: Values, full: int, name: str) -> tuple[Mask, str]:
    """Select what is half of the full value or more; of two values below it, the larger one."""
    threshold = full / 2 if full == 1 else (full + 1) // 2
    if len(found) <= 2 and found[0] == 0 and found[-1] < threshold:
        return values == found[-1], f"holds only 0 and {found[-1]:g}: what is {found[-1]:g} is inside"
    if len(found) == 1 and found[0] < threshold:
        raise MisfitError(f"is {found[0]:g} everywhere: make what is inside white, and the rest black")
    if found[-1] < threshold:
        few = f"; FILE#{found[len(found) // 2]:g}-{found[-1]:g} chooses some" if len(found) > 2 else ""
        raise MisfitError(f"holds no pixel of {threshold:g} or more: its values are {found[0]:g} to {found[-1]:g}{few}")
    remark = "" if full == 255 else f"is read on a scale of 0 to {full:g}: what is {threshold:g} or more is inside"
    if name:
        remark = f"is read by its colour: what is at least half as bright as {name} is inside"
    if found[0] >= threshold and len(found) > 1:
        remark = "has no dark pixel: all of it is inside"
    return values >= threshold, remark


def _meant_by_transparency(picture: Image.Image, visible: Mask) -> tuple[Mask, str]:
    if not visible.any():
        raise MisfitError("is transparent everywhere")
    if picture.mode.startswith("I"):
        grey = np.asarray(picture) // 257  # of 16 bits
    else:
        grey = np.asarray(picture.convert("RGBA").convert("RGB").convert("L"))
    shown = grey[visible]
    if _is_grey(picture) and {*np.unique(shown // 16)} == {0, 15}:
        return visible & (grey >= 128), "is transparent in parts: what is white is inside"
    bright = bool((shown >= 128).all())
    return visible, "" if bright else "is read by its transparency: what is not transparent is inside"


def _visible(picture: Image.Image) -> Mask:
    """Return which pixels are at least half opaque."""
    transparent = picture.info.get("transparency")
    if picture.mode.startswith("I") and transparent is not None:  # a value of 16 bits, which is transparent
        shown: Mask = np.asarray(picture) != transparent
        return shown
    if not picture.has_transparency_data:
        return np.ones((picture.height, picture.width), dtype=np.bool_)
    opaque: Mask = np.asarray(picture.convert("RGBA").getchannel("A")) >= 128
    return opaque


def _labels(picture: Image.Image) -> Values | None:
    """Return the numbers that labels are: grey values, or the indices of a palette in colours; None for colours."""
    if picture.mode == "P" and not _is_grey(picture):
        return np.asarray(picture)
    if picture.mode == "1":
        return np.asarray(picture).astype(np.uint8)
    if not _is_grey(picture):
        return None
    shades = _shades(picture)
    return None if shades is None else shades[0]


def _shades(picture: Image.Image) -> tuple[Values, int, str] | None:
    """Return the values of one channel, the full value, and the colour that it is of if that is not grey.

    None stands for several colours.
    """
    if picture.mode in {"1", "L", "LA", "La"}:
        return np.asarray(picture.convert("L")), 255, ""
    if picture.mode == "F" or picture.mode.startswith("I"):
        values = np.asarray(picture)
        return values, _full_value(picture, float(values.max())), ""
    rgb = np.asarray(picture.convert("RGB"))
    value = rgb.max(axis=2)
    brightest = rgb[np.unravel_index(value.argmax(), value.shape)].tolist()
    if any(_differs(rgb[..., channel], value, brightest, channel) for channel in range(3)):
        return None
    if max(brightest) - min(brightest) <= _COLOUR_TOLERANCE:
        return np.asarray(picture.convert("L")), 255, ""
    return value.astype(np.int32) * 255 // max(brightest), 255, "#" + "".join(f"{part:02x}" for part in brightest)


def _full_value(picture: Image.Image, largest: float) -> int:
    """Return what white is in a picture of more than 8 bits."""
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in {"PNG", "PPM"}):
        return _FULL_VALUES[1]
    if picture.mode == "F" and largest <= 1:
        return 1
    full = next((value for value in _FULL_VALUES if largest <= value), None)
    if full is None:
        raise MisfitError(f"holds values up to {largest:g}: they are finite, and 1, 255 or 65535 is white")
    return full


def _differs(channel: Values, value: Values, brightest: Sequence[int], index: int) -> bool:
    """Say whether a channel is not that of shades of the brightest colour."""
    shade = value.astype(np.float32) * (brightest[index] / max(*brightest, 1))
    shade -= channel
    return bool(max(shade.max(), -shade.min()) > _COLOUR_TOLERANCE)


def _is_grey(picture: Image.Image) -> bool:
    if picture.mode == "F" or picture.mode.startswith(("I", "L", "1")):
        return True
    return bool(np.ptp(np.asarray(picture.convert("RGB")), axis=2).max() <= _COLOUR_TOLERANCE)


def _are_labels(values: Values, full: int, *, many: bool) -> bool:
    """Say whether values are labels, not shades: all of them small, or areas of a value between the extremes.

    Shades between black and white stand along edges, and seldom fill a square of 2 x 2 pixels. Where there are `many`
    values, a wide gradient fills such squares too, but its values follow each other.
    """
    largest = values.max()
    if largest < full / 2:
        return not many
    corner = values[:-1, :-1]
    flat = (corner == values[1:, :-1]) & (corner == values[:-1, 1:]) & (corner == values[1:, 1:])
    between = flat[(corner > 0) & (corner < largest)]
    if not many:
        return bool(between.any())
    numbers = values.astype(np.float64)
    steps = np.abs(np.concatenate([np.diff(numbers, axis=axis).ravel() for axis in (0, 1)]))
    return bool(between.mean() > 0.5 and np.median(steps[steps > 0]) > full * _STEP_OF_LABELS)


def _colour_names(picture: Image.Image) -> Sequence[str]:
    """Name the colours of a picture as FILE#ff0000 does, the most frequent one first; nothing if there are too many."""
    found: Any = picture.convert("RGB").getcolors(_MOST_LABELS) or []
    return ["".join(f"{part:02x}" for part in colour) for _, colour in sorted(found, key=lambda one: -one[0])]


def _few_colours(picture: Image.Image) -> str:
    names = _colour_names(picture)
    return few_names(names) if names else f"more than {_MOST_LABELS} colours"


def _few_values(values: Values) -> str:
    """List the values of a picture, of which there may be as many as pixels."""
    found = np.unique(values)
    return few_names([f"{value:g}" for value in found]) if len(found) <= _MOST_LABELS else f"{len(found):,} values"
