"""Opening picture files of others: the only place where zoo does, for masks and photographs alike.

A picture is untrusted. Pillow knows dozens of formats, chooses one by content whatever the file is called, and hands
some to other programs, such as PostScript to Ghostscript. So the formats are a fixed list, and what a decoder may cost
is bounded before it starts.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps

from zoo._utils.untrusted.opening import read_bounded, read_head

# Pillow's names of the formats that are read.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
# The first bytes of them.
_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM", b"II", b"MM", b"P")

_TIFF = (b"II", b"MM")
_STDERR = 2

# Pixels of the largest picture, a photograph of any camera but a few; decoded it takes 256 MiB.
MOST_PIXELS = 2**26

_MOST_BYTES = 2**29
_MOST_SIDE = 2**16
# Decoders that are written in Python take a second for a million pixels.
_SLOW_DECODERS = {"ppm", "ppm_plain", "bmp_rle"}
_MOST_PIXELS_SLOW = 2**22
# A scan of a JPEG file may take no bytes, and then still a pass over all pixels. Usual files have one to fourteen.
_MOST_SCANNED = 2**30
_SCAN = b"\xff\xda"
_MOST_COMMENTS = 1000  # of a PPM file; each takes as long as a million of its pixels
# The longest segment of EXIF data in a JPEG file.
_MOST_EXIF = 2**16
# What each read of a decoder counts for at least: files may consist of pieces of a byte.
_BYTES_OF_A_READ = 64
_NO_PICTURE = "it is no readable PNG, JPEG, WebP, GIF, BMP, TIFF or PPM picture"


class PictureError(ValueError):
    """A file could not be opened as a picture; the message says why in a few words, and does not name the file."""


def open_picture(path: Path, *, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """Read a picture, of several frames the first, the right way up as its EXIF data say.

    What it is is told by its content; it may be PNG, JPEG, WebP, GIF, BMP, TIFF or PPM (with PGM and PBM).

    Args:
        path: The file.
        most_pixels: How many pixels it may have; they are counted before any memory is taken for them.

    Returns:
        The picture in its own mode, read completely; `format` names its file format.

    Raises:
        PictureError: If the file is missing, no regular file, broken, of another format or of more pixels.
    """
    try:
        if not read_head(path, 4).startswith(_MAGIC):
            raise PictureError(_NO_PICTURE)
        content = read_bounded(path, _MOST_BYTES)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise PictureError("there is no such file" if missing else error.strerror or str(error)) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own about sizes and damaged tags: see `_check_cost`
        try:
            with _silent_libtiff(content):
                return _decoded(content, most_pixels)
        except PictureError:
            raise
        except Image.DecompressionBombError:
            raise PictureError(f"it has more than the {most_pixels:,} pixels that are read") from None
        except Exception:  # a decoder that is given damaged bytes fails in any way there is
            raise PictureError(_NO_PICTURE) from None


@contextmanager
def _silent_libtiff(content: bytes) -> Iterator[None]:
    """Keep libtiff from printing what it thinks of a TIFF file: it writes to the descriptor, past Python."""
    if not content.startswith(_TIFF):
        yield
        return
    try:
        kept = os.dup(_STDERR)
    except OSError:  # it is closed
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)


def _decoded(content: bytes, most_pixels: int) -> Image.Image:
    _check_size(_webp_size(content), most_pixels)
    file = _MeteredFile(content)
    with Image.open(file, formats=FORMATS) as image:
        _check_size(image.size, most_pixels)
        _check_cost(image, content)
        file.begin_pixels()
        image.load()
        if len(image.info.get("exif", b"")) > _MOST_EXIF:
            del image.info["exif"]
        ImageOps.exif_transpose(image, in_place=True)
        image.format = "JPEG" if image.format == "MPO" else image.format  # MPO: several JPEG pictures in one file
        return image


class _MeteredFile(io.BytesIO):
    """A picture's content, of which a decoder may read only so much, and only so often."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        # Every tag of a TIFF file can name the whole file as its value: without a limit it is copied 65,536 times.
        self._left = 2 * len(content) + 2**20
        self._counts_bytes = True

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self._left -= max(len(content), _BYTES_OF_A_READ) if self._counts_bytes else _BYTES_OF_A_READ
        if self._left < 0:
            raise PictureError(_NO_PICTURE)
        return content

    def begin_pixels(self) -> None:
        """Count how often is read from now on, not how much: decoders read ahead."""
        self._left += 2**29
        self._counts_bytes = False


def _check_size(size: tuple[int, int], most_pixels: int) -> None:
    width, height = size
    if min(size) < 1:
        raise PictureError(_NO_PICTURE)
    if width * height > most_pixels or max(size) > _MOST_SIDE:
        raise PictureError(f"it has {width} x {height} pixels, more than {most_pixels:,}: make it smaller")


def _webp_size(content: bytes) -> tuple[int, int]:
    """Return the size that an extended WebP file claims, which its decoder takes memory for; 1 x 1 of others."""
    if content[:4] != b"RIFF" or content[8:16] != b"WEBPVP8X":
        return 1, 1
    width, height = (1 + int.from_bytes(content[start : start + 3], "little") for start in (24, 27))
    return width, height


def _check_cost(image: Image.Image, content: bytes) -> None:
    """Refuse a picture that is much more work than its pixels."""
    pixels = image.width * image.height
    tiles = list(getattr(image, "tile", ()))
    decoders = {tile[0] for tile in tiles}
    if decoders & _SLOW_DECODERS and pixels > _MOST_PIXELS_SLOW:
        raise PictureError(f"it has {pixels:,} pixels in a slow encoding: save it as PNG")
    if "ppm_plain" in decoders and content.count(b"#") > _MOST_COMMENTS:
        raise PictureError("it has very many comments: save it as PNG")
    if image.format in {"JPEG", "MPO"} and content.count(_SCAN) * pixels > _MOST_SCANNED:
        raise PictureError("it is a JPEG picture of very many scans: save it as PNG")
    tags = getattr(image, "tag_v2", {})
    if int(tags.get(322, 0)) * int(tags.get(323, 0)) > _MOST_SIDE * 2**8:  # width and length of a tile, of any picture
        raise PictureError(_NO_PICTURE)
