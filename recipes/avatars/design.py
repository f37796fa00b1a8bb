"""Which pictures are made: attributes, labels, and what DiceBear is told so that it draws them."""

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
STYLES: dict[str, Any] = _TABLE["styles"]
"""Artwork, frame and drawings of every style, by its name."""
ATTRIBUTES = {"style": tuple(STYLES)} | {name: tuple(values) for name, values in _TABLE["attributes"].items()}
"""The values of every attribute, by its name."""
PARTS = ("eyes", "mouth", "hair", "glasses")
"""What has a mask."""
_OPTIONS = {"skin": "skinColor", "hair_colour": "hairColor", "background": "backgroundColor"}
_FACTORS = tuple(len(values) for name, values in ATTRIBUTES.items() if name != "style")
_SEED = 0


@dataclass(frozen=True)
class BlockSpec:
    """Labels and variants, (n, attributes) bytes each, of pictures to be made."""

    labels: NDArray[np.uint8]
    variants: NDArray[np.uint8]

    def shards(self, size: int) -> Iterator[BlockSpec]:
        """Yield plans of at most ``size`` pictures."""
        for start in range(0, len(self.labels), size):
            yield BlockSpec(self.labels[start : start + size], self.variants[start : start + size])

    def requests(self, without: str | None = None) -> list[dict[str, Any]]:
        """List what the renderer shall draw: the pictures, or the same ones without one of their parts."""
        return [request(*row, without=without) for row in zip(self.labels, self.variants, strict=True)]


def plan(counts: dict[str, int]) -> dict[str, BlockSpec]:
    """Draw labels uniformly and independently: ``counts`` pictures of every style for ``train``, ``val`` and ``test``.

    A combination of values in ``val`` or ``test`` occurs there once and in no other split. Equal counts give equal
    plans. Raises `OptionError` if that leaves none to train on.
    """
    combinations, held = math.prod(_FACTORS), counts["val"] + counts["test"]
    if held >= combinations:
        raise OptionError(f"--held {held}: a style has {combinations} combinations of values, and some are to train on")
    rng = np.random.default_rng(_SEED)
    drawn: dict[str, list[NDArray[np.int64]]] = {split: [] for split in counts}
    for style in range(len(STYLES)):
        order = rng.permutation(combinations)
        chosen = {"train": rng.choice(order[held:], counts["train"])}
        chosen["val"], chosen["test"] = np.split(order[:held], [counts["val"]])
        for split, places in chosen.items():
            drawn[split].append(np.insert(np.stack(np.unravel_index(places, _FACTORS), axis=1), 0, style, axis=1))
    return {split: _with_variants(rng.permutation(np.concatenate(rows)), rng) for split, rows in drawn.items()}


def _with_variants(labels: NDArray[np.int64], rng: np.random.Generator) -> BlockSpec:
    columns = [_numbers(name)[labels[:, 0], labels[:, place]] for place, name in enumerate(ATTRIBUTES)]
    return BlockSpec(labels.astype(np.uint8), rng.integers(0, np.stack(columns, axis=1)).astype(np.uint8))


def _numbers(attribute: str) -> NDArray[np.int64]:
    """Count the drawings of every value in every style, (styles, values)."""
    return np.array([[len(drawings(style, attribute, value)) for value in ATTRIBUTES[attribute]] for style in STYLES])


def drawings(style: str, attribute: str, value: str) -> list[str]:
    """List the drawings that show a value of an attribute in a style; of a colour, its code."""
    if attribute == "style":
        return [value]
    values = _TABLE["attributes"][attribute]
    found: list[str] = [values[value]] if isinstance(values, dict) else STYLES[style]["variants"][attribute][value]
    return found


def request(labels: NDArray[np.uint8], variants: NDArray[np.uint8], without: str | None = None) -> dict[str, Any]:
    """Say what the renderer shall draw for a row of a plan, without the named part if there is one."""
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
    """Return the terms of what is made from the avatars, and those of the artwork with its authors."""
    artworks = [style["artwork"] for style in STYLES.values()]
    named = ", ".join(f"{work['title']} by {work['author']} ({work['licence']})" for work in artworks)
    return "CC BY 4.0", f"DiceBear avatars: {named}"
