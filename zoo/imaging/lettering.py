"""Text on pictures: how wide it is, and how it is broken into lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from PIL import ImageDraw, ImageFont

# The colour of text, in a form that Pillow takes for grey pictures too.
INK = "#282828"

# Pixels from one line to the next.
LINE_HEIGHT = 20

_POINTS = 14

# Where a word that is too long is broken before it is broken anywhere.
_JOINTS = "_-/.:"


def text_width(text: str) -> float:
    """Return the width of a line of text in pixels.

    Args:
        text: The line.

    Returns:
        Its width.
    """
    return _font().getlength(text)


def fold(text: str, width: int) -> list[str]:
    """Break text into lines of a certain width, between words where it has any; nothing of it is lost.

    Args:
        text: The text, in one or more lines.
        width: Pixels.

    Returns:
        The lines.
    """
    return [line for paragraph in legible(text).split("\n") for line in _fold_paragraph(paragraph, width)]


def legible(text: str) -> str:
    """Replace signs that the font lacks: letters with marks by the letters alone, dashes by hyphens, others by ``?``.

    Args:
        text: The text.

    Returns:
        Text that can be read in a picture.
    """
    return "".join(sign if sign == "\n" or _has_glyph(sign) else _stand_in(sign) for sign in text)


def write(draw: ImageDraw.ImageDraw, position: tuple[float, float], lines: Sequence[str]) -> None:
    """Write lines of text on a picture.

    Args:
        draw: What draws on the picture.
        position: The upper left corner of the first line.
        lines: The lines.
    """
    x, y = position
    for index, line in enumerate(lines):
        draw.text((x, y + index * LINE_HEIGHT), line, fill=INK, font=_font())


@lru_cache(maxsize=4096)  # thousands of rows share the names of a few moves
def _fold_paragraph(text: str, width: int) -> tuple[str, ...]:
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if text_width(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _break_word(word, width)
        lines += whole
    return (*lines, line)


def _break_word(word: str, width: int) -> Iterator[str]:
    while text_width(word) > width and len(word) > 1:
        fitting = max((count for count in range(1, len(word)) if text_width(word[:count]) <= width), default=1)
        joint = max(word[:fitting].rfind(sign) for sign in _JOINTS) + 1
        yield word[: joint or fitting]
        word = word[joint or fitting :]
    yield word


def _stand_in(sign: str) -> str:
    if unicodedata.category(sign) == "Pd" or sign == "\N{MINUS SIGN}":
        return "-"
    plain = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return plain or ("x" if sign == "\N{MULTIPLICATION SIGN}" else "?")


@cache
def _has_glyph(sign: str) -> bool:
    return sign == " " or bytes(_font().getmask(sign)) != bytes(_font().getmask("\uffff"))


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_POINTS)
