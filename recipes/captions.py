"""Captions of avatars, made from their known labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from zoo_scorers.text.tokenizer import words_of

from recipes.avatars.design import ATTRIBUTES

# How a value of an attribute is said; a caption takes one of the phrases, and as many values as `_SAID` draws.
PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "style": {
        "adventurer": ("in adventurer style", "drawn as an adventurer", "an adventurer"),
        "big-smile": ("in big smile style", "in the style of big smile"),
        "lorelei": ("in lorelei style", "drawn as lorelei"),
        "micah": ("in micah style", "drawn as micah"),
        "personas": ("in personas style", "drawn as personas"),
        "pixel-art": ("in pixel art style", "as pixel art", "made of large pixels"),
    },
    "skin": {
        value: (f"with {value} skin", f"{value} skin", f"with a {value} face", f"the skin is {value}")
        for value in ATTRIBUTES["skin"]
    },
    "hair": {
        "short": ("with short hair", "short hair", "the hair is short"),
        "long": ("with long hair", "long hair", "the hair is long"),
        "mohawk": ("with a mohawk", "a mohawk", "with mohawk hair"),
    },
    "hair_colour": {
        value: (f"with {value} hair", f"{value} hair", f"hair coloured {value}", f"the hair is {value}")
        for value in ATTRIBUTES["hair_colour"]
    },
    "background": {
        value: (f"on a {said} background", f"{said} background", f"in front of {said}", f"the background is {said}")
        for value in ATTRIBUTES["background"]
        for said in ["sky blue" if value == "sky" else value]
    },
    "glasses": {
        "no": ("without glasses", "no glasses", "not wearing glasses"),
        "yes": ("with glasses", "wearing glasses", "glasses"),
    },
    "eyes": {
        "open": ("with open eyes", "open eyes", "the eyes are open", "awake"),
        "closed": ("with closed eyes", "closed eyes", "the eyes are closed", "asleep"),
    },
    "mouth": {
        "smile": ("smiling", "with a smile", "a smiling mouth", "happy"),
        "serious": ("serious", "with a serious mouth", "not smiling", "earnest"),
        "open": ("with an open mouth", "an open mouth", "the mouth is open", "surprised"),
    },
}

# Words before a noun: "a smiling face", "a blond person".
_ADJECTIVES: dict[str, dict[str, tuple[str, ...]]] = {
    "mouth": {"smile": ("smiling", "happy"), "serious": ("serious", "earnest"), "open": ("surprised", "open mouthed")},
    "eyes": {"open": ("awake",), "closed": ("sleeping",)},
    "hair_colour": {value: (f"{value} haired",) for value in ATTRIBUTES["hair_colour"]},
    "hair": {"short": ("short haired",), "long": ("long haired",)},
    "skin": {value: (value,) for value in ATTRIBUTES["skin"]},
}
_NOUNS = ("face", "person", "avatar", "head", "figure")
_OPENINGS = ("{} {}", "a drawing of {} {}", "a picture of {} {}", "a portrait of {} {}", "an image of {} {}")

MISSING = 255  # the label of an attribute that does not apply to an image

# How often a caption tells one, two, three and four attributes.
_SAID = (0.5, 0.25, 0.15, 0.1)


@dataclass(frozen=True)
class Captions:
    """Captions of images.

    Attributes:
        texts: The captions.
        told: Which attributes each one tells (n, attributes).
        labels: The values that it tells (n, attributes); without meaning where nothing is told.
    """

    texts: list[str]
    told: NDArray[np.bool_]
    labels: NDArray[np.uint8]

    def true_of(self, labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Say which captions are true of which images.

        Args:
            labels: Labels of images (m, attributes).

        Returns:
            (m, n): whether all that a caption tells is as in the image.
        """
        agrees: NDArray[np.bool_] = ((labels[:, None] == self.labels) | ~self.told).all(axis=2)
        return agrees


def caption(labels: NDArray[np.uint8], rng: np.random.Generator) -> Captions:
    """Write a caption of each image, which tells some of its attributes.

    Args:
        labels: Labels (n, attributes), as `recipes.avatars` has them.
        rng: Source of what is told, and how.

    Returns:
        The captions.
    """
    names = list(ATTRIBUTES)
    texts, told = [], np.zeros(labels.shape, bool)
    for row, image in enumerate(labels):
        count = 1 + int(rng.choice(len(_SAID), p=_SAID))
        chosen = [index for index in rng.permutation(len(names)) if image[index] != MISSING][:count]
        told[row, chosen] = True
        texts.append(_write({names[index]: ATTRIBUTES[names[index]][image[index]] for index in chosen}, rng))
    return Captions(texts, told, labels)


def _write(values: dict[str, str], rng: np.random.Generator) -> str:
    """Write a caption: phrases alone, or phrases behind a noun that may have an adjective."""
    before = ""
    adjectives = [name for name, value in values.items() if value in _ADJECTIVES.get(name, {})]
    if adjectives and rng.random() < 0.4:
        name = _pick(rng, adjectives)
        before = _pick(rng, _ADJECTIVES[name][values[name]])
        values = {other: value for other, value in values.items() if other != name}
    phrases = [_pick(rng, PHRASES[name][value]) for name, value in values.items()]
    if not before and rng.random() < 0.4:
        return " and ".join(phrases) if len(phrases) < 3 else ", ".join(phrases)
    noun = f"{before} {_pick(rng, _NOUNS)}".strip()
    opening = _pick(rng, _OPENINGS).format("an" if noun[0] in "aeiou" else "a", noun)
    return " ".join([opening, " and ".join(phrases)]).strip()


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def vocabulary() -> list[str]:
    """List the words of all captions.

    Returns:
        The words, in alphabetical order.
    """
    phrases = [
        text for table in (PHRASES, _ADJECTIVES) for values in table.values() for one in values.values() for text in one
    ]
    return sorted({word for text in [*phrases, *_NOUNS, *_OPENINGS, "a an and"] for word in words_of(text)})


def plainest(attribute: str, value: str) -> str:
    """Return the first phrase of a value.

    Args:
        attribute: The attribute.
        value: The value.

    Returns:
        A caption that tells it alone.
    """
    return PHRASES[attribute][value][0]
