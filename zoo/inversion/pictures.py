"""The pictures to project: files, folders, patterns and arrays, brought into the form that a network draws."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zoo._utils.lookups import exists, is_dir
from zoo._utils.paths import expand_home
from zoo._utils.pictures import PictureError
from zoo._utils.pixels import to_pixels
from zoo.core.adapter import Adapter
from zoo.core.channels import as_rgb
from zoo.errors import OptionError
from zoo.imaging.frames import Frame
from zoo.imaging.photographs import read_photograph, resample, to_grey, to_srgb
from zoo.inversion.framing import Framing
from zoo.weights.cache import sha256_of

# What `zoo.project` takes as a picture, beside a sequence of them.
GivenPicture = str | Path | Image.Image | Tensor | NDArray[Any]

# Endings of the files that are taken of a folder; any file may be named.
_ENDINGS = frozenset(
    f".{ending}"
    for ending in (
        *("png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp"),
        *("tif", "tiff", "ppm", "pgm", "pbm", "pnm"),
    )
)
# How many pictures one command takes.
MOST_PICTURES = 10_000


@dataclass(frozen=True, eq=False)
class Target:
    """One picture as a network shall draw it.

    Attributes:
        name: What it is called: the name of its file, or its place among the pictures that were given.
        pixels: (3, h, w), float32 in [-1, 1], of the network's resolution; a network of grey images gets grey ones.
        path: Its file, or None.
        size: Height and width of the photograph.
        frame: What of the photograph `pixels` show; None for an array that has the network's resolution.
        remarks: What was done to the photograph, where that is not plain.
        sha256: The hash of its file, or None.
    """

    name: str
    pixels: Tensor
    path: Path | None
    size: tuple[int, int]
    frame: Frame | None
    remarks: tuple[str, ...] = ()
    sha256: str | None = None

    def note(self) -> str | None:
        """Say what was done to the photograph, where that is not plain.

        Returns:
            A sentence, or None.
        """
        if not self.remarks:
            return None
        return f"{self.name} has {self.size[0]} x {self.size[1]} pixels: {'; '.join(self.remarks)}"


def find_files(names: Iterable[str | Path]) -> list[Path]:
    """Find the picture files that some names stand for.

    Args:
        names: Files, folders (their pictures, not those of folders inside) and patterns such as ``faces/*.jpg``.

    Returns:
        The files, each once; those of a folder or a pattern by name. A file that is named alone need not exist.

    Raises:
        OptionError: If a pattern fits no file, a folder cannot be read, or there are more than `MOST_PICTURES`.
    """
    files = list(dict.fromkeys(file for name in names for file in _files_of(expand_home(name))))
    if len(files) > MOST_PICTURES:
        raise OptionError(f"{len(files):,} pictures are too many for one run, at most {MOST_PICTURES:,}")
    return files


def _files_of(path: Path) -> Sequence[Path]:
    if is_dir(path):
        try:
            found = sorted(file for file in path.iterdir() if file.suffix.lower() in _ENDINGS and file.is_file())
        except OSError as error:
            raise OptionError(f"the folder {path} cannot be read: {error.strerror}") from None
        return found or [path]  # an empty one is told of as a picture that cannot be read would be
    if exists(path) or not glob.has_magic(str(path)):
        return [path]
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True) if not is_dir(Path(name)))  # noqa: PTH207
    if not found:
        raise OptionError(f"no file fits the pattern {path}")
    return found


class PictureReader:
    """Reads pictures for a network; one that cannot be read is told of, and the others go on.

    Args:
        adapter: The network.
        framing: What is taken of photographs; by default the middle.

    Attributes:
        skipped: What was left out: names, and why.
    """

    def __init__(self, adapter: Adapter, framing: Framing | None = None) -> None:
        self._framing = framing or Framing()
        self._resolution = adapter.resolution
        self._grey = adapter.channels == 1
        self.skipped: dict[str, str] = {}

    def read(self, given: GivenPicture | Sequence[GivenPicture]) -> list[Target]:
        """Read pictures.

        Args:
            given: A picture, or several: the paths of files and folders, patterns, pictures of Pillow, arrays
                (h, w, 3) or (n, h, w, 3) of uint8, tensors (3, h, w) or (n, 3, h, w) in [-1, 1] as `Model.render`
                returns them.

        Returns:
            The pictures that could be read.

        Raises:
            OptionError: If none could, or an array is of another shape or type.
        """
        single = isinstance(given, str | Path | Image.Image | Tensor | np.ndarray)
        items: Sequence[GivenPicture] = [given] if single else list(given)  # type: ignore[list-item, arg-type]
        names = find_files(item for item in items if isinstance(item, str | Path))
        arrays = [item for item in items if not isinstance(item, str | Path)]
        targets = [target for target in map(self._of_file, names) if target is not None]
        for item in arrays:
            targets += self._of_array(item, len(targets) + len(self.skipped))
        if not targets:
            reasons = "; ".join(f"{name}: {why}" for name, why in self.skipped.items())
            raise OptionError(f"there is no picture to project: {reasons or 'none was given'}")
        return targets

    def _of_file(self, path: Path) -> Target | None:
        if is_dir(path):
            self.skipped[str(path)] = "there is no file with an ending such as .jpg or .png in this folder"
            return None
        try:
            target = self._of_image(read_photograph(path), path.name, path)
            return replace(target, sha256=sha256_of(path))
        except PictureError as error:
            self.skipped[str(path)] = str(error)
        return None

    def _of_image(self, image: Image.Image, name: str, path: Path | None) -> Target:
        size = (image.height, image.width)
        frame, remarks = self._framing.choose(image, self._resolution)
        height, width = self._resolution
        if frame.height < height or frame.width < width:
            taken = f"the {round(frame.height)} x {round(frame.width)} pixels that are taken"
            remarks.append(f"{taken} are enlarged to the model's {height} x {width}")
        pixels = self._in_colours(resample(image, frame, self._resolution))
        return Target(name, pixels, path, size, frame, tuple(remarks))

    def _of_array(self, item: Image.Image | Tensor | NDArray[Any], first: int) -> Iterator[Target]:
        if isinstance(item, Image.Image):
            try:
                yield self._of_image(to_srgb(item), f"picture {first}", None)
            except PictureError as error:
                self.skipped[f"picture {first}"] = str(error)
            return
        for index, pixels in enumerate(_as_batch(item), start=first):
            if tuple(pixels.shape[1:]) == self._resolution:
                yield Target(f"picture {index}", self._in_colours(pixels), None, self._resolution, None)
            else:
                image = Image.fromarray(to_pixels(pixels).numpy())
                yield self._of_image(image, f"picture {index}", None)

    def _in_colours(self, pixels: Tensor) -> Tensor:
        return to_grey(pixels) if self._grey else pixels


def _as_batch(array: Tensor | NDArray[Any]) -> Tensor:
    """Read arrays of pixels (…, h, w, c) of uint8, or tensors (…, c, h, w) in [-1, 1], as (n, 3, h, w)."""
    shape = "x".join(map(str, array.shape))
    if isinstance(array, np.ndarray):
        if array.dtype != np.uint8 or array.ndim not in {2, 3, 4}:
            raise OptionError(
                f"an array of {array.dtype} {shape} is no picture: pass uint8 (h, w, 3), or a tensor (3, h, w)"
            )
        pixels = array[..., None] if array.ndim == 2 else array
        tensor = torch.from_numpy(np.ascontiguousarray(pixels)).movedim(-1, -3).float().div_(127.5).sub_(1)
    else:
        tensor = array.detach().cpu().float()
        if not array.is_floating_point() or tensor.ndim not in {3, 4}:
            raise OptionError(f"a tensor of {array.dtype} {shape} is no picture: pass (3, h, w) in [-1, 1]")
    batch = tensor if tensor.ndim == 4 else tensor[None]
    if batch.shape[1] not in {1, 3, 4} or 0 in batch.shape:
        raise OptionError(f"an array {shape} is no picture: it has 1, 3 or 4 channels, last for uint8, else first")
    if not bool(torch.isfinite(batch).all()):
        raise OptionError("a picture holds numbers that are not finite")
    return as_rgb(batch).clamp(-1, 1).contiguous()
