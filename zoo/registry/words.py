"""Opposites in words: what directions may be named after, in model cards, in files and on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.naming import check_name
from zoo.errors import DirectionsError, OptionError

# A file of words is read up to this size.
_MOST_BYTES = 1_000_000
_MOST_PAIRS = 1_000

_ARTICLE = re.compile(r"(?:an?|the)\s+", re.IGNORECASE)
_LIST_NAME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Opposites:
    """Two descriptions, of which an image shows one more and the other less; each may be put in several ways.

    Attributes:
        name: What the two are called together, such as ``smile``.
        high: What an image of a high score shows, such as ``a smiling face``.
        low: What an image of a low score shows, such as ``a serious face``.
    """

    name: str
    high: tuple[str, ...]
    low: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """All descriptions."""
        return self.high + self.low

    @property
    def poles(self) -> tuple[str, str] | None:
        """What images of a low and of a high score show, without articles; None where that is several things."""
        if len(self.low) > 1 or len(self.high) > 1:
            return None
        return without_article(self.low[0]), without_article(self.high[0])

    @property
    def reversed(self) -> Opposites:
        """The same with high and low exchanged, called after what is high then."""
        return Opposites(without_article(self.low[0]), self.low, self.high)


def without_article(text: str) -> str:
    """Leave out the article in front of a description.

    Args:
        text: The description, such as ``a smiling face``.

    Returns:
        It without ``a``, ``an`` or ``the``.
    """
    return _ARTICLE.sub("", text, count=1) if _ARTICLE.match(text) else text


def parse_opposites(text: str) -> Opposites:
    """Read two opposites, such as ``smile: a smiling face / a serious face``. The name may be left out.

    A bar separates several ways to put one of them: ``red hair: red hair / black hair | blond hair``.

    Args:
        text: Their text; the first one is that of high scores, and their name unless another one is given.

    Returns:
        The opposites.

    Raises:
        OptionError: There are not two different descriptions, or the name cannot be one of a direction.
    """
    name, colon, descriptions = text.rpartition(":")
    sides = [tuple(" ".join(one.split()) for one in side.split("|")) for side in descriptions.split("/")]
    texts = [one.lower() for side in sides for one in side]
    if len(sides) != 2 or not all(texts) or len(set(texts)) < len(texts) or (colon and not name.strip()):
        raise OptionError(
            f"{text.strip()!r} are no opposites: write two different descriptions with a slash between them, such as "
            "'a smiling face / a serious face', perhaps with a name in front, 'smile: …'"
        )
    try:
        return Opposites(check_name(name.strip() or without_article(sides[0][0])), *sides)
    except DirectionsError as error:
        raise OptionError(f"{text.strip()!r}: {error}; write another one in front, 'NAME: …'") from None


def is_list_name(text: str) -> bool:
    """Say whether an entry of a card names a list of a scorer instead of giving opposites.

    Args:
        text: The entry.

    Returns:
        Whether it is one word in lower case.
    """
    return _LIST_NAME.fullmatch(text) is not None


def parse_lines(lines: Sequence[str], origin: str) -> tuple[Opposites, ...]:
    """Read opposites, one pair a line; lines that are empty or begin with ``#`` are left out.

    Args:
        lines: The lines.
        origin: Where they are from, for messages.

    Returns:
        The opposites.

    Raises:
        OptionError: A line cannot be read, two have the same name, or there are none or more than 1,000.
    """
    found: dict[str, Opposites] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            pair = parse_opposites(line)
        except OptionError as error:
            raise OptionError(f"{origin}, line {number}: {error}") from None
        if pair.name in found:
            raise OptionError(f"{origin}, line {number}: there are two pairs called {pair.name!r}")
        found[pair.name] = pair
    if not 0 < len(found) <= _MOST_PAIRS:
        raise OptionError(f"{origin} holds {len(found):,} pairs of opposites: 1 to {_MOST_PAIRS:,} are needed")
    return tuple(found.values())


def read_words(path: Path) -> tuple[Opposites, ...]:
    """Read a file of opposites; see `parse_lines`.

    Args:
        path: The file, UTF-8 text.

    Returns:
        The opposites.

    Raises:
        OptionError: The file cannot be read, or see `parse_lines`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise OptionError(f"the file of words {path} is larger than {_MOST_BYTES:,} bytes")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise OptionError(f"cannot read the file of words {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OptionError(f"the file of words {path} is no text in UTF-8") from None
    return parse_lines(text.splitlines(), str(path))
