"""Opening picture files of others: the only place where zoo does."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, ImageOps


class PictureError(ValueError):
    """A file could not be opened as a picture; the message says why in a few words, and does not name the file."""


def open_picture(path: Path) -> Image.Image:
    """Read a picture, of several frames the first, the right way up as its EXIF data say.

    Args:
        path: The file.

    Returns:
        The picture in its own mode, read completely; `format` names its file format.

    Raises:
        PictureError: If the file is missing, broken, no picture, or of more pixels than Pillow takes for a picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                kind = image.format
                image.load()
                upright = ImageOps.exif_transpose(image)
                upright.format = kind
                return upright
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureError("it has more pixels than a picture") from None
    except OSError as error:
        raise PictureError(error.strerror or "it is not a picture") from None
    except (ValueError, SyntaxError, EOFError, IndexError, MemoryError):
        raise PictureError("it is not a picture") from None
