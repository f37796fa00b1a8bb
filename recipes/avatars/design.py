"""Which images are made: attributes, labels, and the options with which DiceBear draws them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import OptionError

_TABLE = json.loads((Path(__file__).parent / "styles.json").read_text())

# Artwork, frame and drawings of every style, by its name.
STYLES: dict[str, Any] = _TABLE["styles"]

# The values of every attribute, by its name.
ATTRIBUTES = {"style": tuple(STYLES)} | {name: tuple(values) for name, values in _TABLE["attributes"].items()}

# The parts that have masks.
PARTS = ("eyes", "mouth", "hair", "glasses")
_OPTIONS = {"skin": "skinColor", "hair_colour": "hairColor", "background": "backgroundColor"}
_FACTORS = tuple(len(values) for name, values in ATTRIBUTES.items() if name != "style")
_SEED = 0


@dataclass(frozen=True)
class ImagePlan:
    """Images to be made.

    Attributes:
        labels: (n, attributes), bytes, as those of `Avatars`.
        variants: (n, attributes), bytes, as those of `Avatars`.
    """

    labels: NDArray[np.uint8]
    variants: NDArray[np.uint8]

    def shards(self, size: int) -> Iterator[ImagePlan]:
        """Yield plans of at most ``size`` images."""
        for start in range(0, len(self.labels), size):
            yield ImagePlan(self.labels[start : start + size], self.variants[start : start + size])

    def requests(self, without: str | None = None) -> list[dict[str, Any]]:
        """List the renderer's requests: for the images, or for the same images without one of their parts."""
        return [request(*row, without=without) for row in zip(self.labels, self.variants, strict=True)]


def plan(counts: dict[str, int]) -> dict[str, ImagePlan]:
    """Draw labels uniformly and independently: ``counts`` images of every style for ``train``, ``val`` and ``test``.

    A combination of values in ``val`` or ``test`` occurs there once and in no other split. Equal counts give equal
    plans. Raises `OptionError` if none is left to train on.
    """
    combinations = math.prod(_FACTORS)
    held_out = counts["val"] + counts["test"]
    if held_out >= combinations:
        raise OptionError(
            f"--held {held_out}: a style has {combinations} combinations of values, and some are to train on"
        )
    rng = np.random.default_rng(_SEED)
    drawn: dict[str, list[NDArray[np.int64]]] = {split: [] for split in counts}
    for style in range(len(STYLES)):
        order = rng.permutation(combinations)
        chosen = {"train": rng.choice(order[held_out:], counts["train"])}
        chosen["val"], chosen["test"] = np.split(order[:held_out], [counts["val"]])
        for split, indices in chosen.items():
            drawn[split].append(np.insert(np.stack(np.unravel_index(indices, _FACTORS), axis=1), 0, style, axis=1))
    return {split: _with_variants(rng.permutation(np.concatenate(rows)), rng) for split, rows in drawn.items()}


def _with_variants(labels: NDArray[np.int64], rng: np.random.Generator) -> ImagePlan:
    columns = [_numbers(name)[labels[:, 0], labels[:, index]] for index, name in enumerate(ATTRIBUTES)]
    return ImagePlan(labels.astype(np.uint8), rng.integers(0, np.stack(columns, axis=1)).astype(np.uint8))


def _numbers(attribute: str) -> NDArray[np.int64]:
    """Count the drawings of every value in every style, (styles, values)."""
    return np.array([[len(drawings(style, attribute, value)) for value in ATTRIBUTES[attribute]] for style in STYLES])


def drawings(style: str, attribute: str, value: str) -> list[str]:
    """List the drawings that show a value of an attribute in a style; of a colour, its code."""
    if attribute == "style":
        return [value]
    values = _TABLE["attributes"][attribute]
    names: list[str] = [values[value]] if isinstance(values, dict) else STYLES[style]["variants"][attribute][value]
    return names


def request(labels: NDArray[np.uint8], variants: NDArray[np.uint8], without: str | None = None) -> dict[str, Any]:
    """Return the renderer's request for a row of a plan, without the named part if there is one."""
    name = ATTRIBUTES["style"][labels[0]]
    style = STYLES[name]
    values = {attribute: listed[label] for (attribute, listed), label in zip(ATTRIBUTES.items(), labels, strict=True)}
    chosen = {
        attribute: drawings(name, attribute, value)[variant]
        for (attribute, value), variant in zip(values.items(), variants, strict=True)
    }
    if without:
        chosen[without] = "none"
    del chosen["style"]
    if style.get("glasses_on_eyes") and chosen.pop("glasses") != "none":
        chosen["eyes"] += "+glasses"
    options = {style["options"].get(key, _OPTIONS.get(key, key)): drawing for key, drawing in chosen.items()}
    return {"style": name, "view": style["view"], "options": style["fixed"] | options}


def licence_of() -> tuple[str, str]:
    """Return the licence of models trained on the avatars, and that of the artwork with its authors."""
    artworks = [style["artwork"] for style in STYLES.values()]
    named = ", ".join(f"{work['title']} by {work['author']} ({work['licence']})" for work in artworks)
    return "CC BY 4.0", f"DiceBear avatars: {named}"
