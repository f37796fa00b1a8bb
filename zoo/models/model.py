"""A model at hand: a card, the adapter built from its weights, and what both know together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from zoo._utils.html_repr import facts_html
from zoo.core.adapter import Adapter
from zoo.core.codes import MOST_TRUNCATION, Codes, load_codes, save_codes
from zoo.core.region import Region, parse_region
from zoo.errors import CodesError, OptionError, few_names, unknown_name
from zoo.registry.cards import Card

MOST_CODES = 100_000


@dataclass(frozen=True, eq=False)
class Model:
    """A generator ready to use: its card, its adapter, and the hash of the weights it was built from.

    `source` is what it was opened by; `space` and `options` are what was chosen then, beyond the usual; `chosen` is all
    that the architecture was told, by its card and by `options`.
    """

    card: Card
    adapter: Adapter
    weights_sha256: str
    layout: str
    source: str
    space: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Model({self.name}: {self.adapter.space}, {self.dtype} on {self.adapter.device})"

    def _repr_html_(self) -> str:
        """Show a notebook what the model is and on which terms it may be used."""
        height, width = self.adapter.resolution
        facts = {
            "summary": self.card.summary,
            "adapter": self.card.adapter,
            "images": f"{height} x {width}",
            "codes": self.adapter.space,
            "classes": few_names(self.adapter.classes),
            "licence": self.card.licence,
            "network": f"{self.dtype} on {self.adapter.device}",
        }
        return facts_html(f"Model {self.name}", facts)

    @property
    def name(self) -> str:
        """The model's full name."""
        return self.card.name

    @property
    def dtype(self) -> str:
        """The name of the type that the network computes in, such as ``float32``."""
        return str(self.adapter.dtype).removeprefix("torch.")

    def region(self, text: str) -> Region:
        """Read a region of this model's images; names come from its card. Raises `RegionError`, `UnknownNameError`."""
        return parse_region(text, self.adapter.resolution, self.card.regions)

    def sample(
        self, count: int, seed: int = 0, *, label: int | str | None = None, truncation: float | None = None
    ) -> Codes:
        """Draw codes; `label` is a class's name or index. Raises `OptionError`, `UnknownNameError`."""
        return self.draw(count, torch.Generator().manual_seed(check_seed(seed)), label=label, truncation=truncation)

    def draw(
        self,
        count: int,
        generator: torch.Generator,
        *,
        label: int | str | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw codes with a generator; see `sample`."""
        check_count("--samples", count)
        if truncation is not None and not 0 <= truncation <= MOST_TRUNCATION:
            raise OptionError(f"--truncation {truncation}: it lies within 0 and {MOST_TRUNCATION:g}")
        labels = None if label is None else torch.full((count,), self.label_index(label))
        codes = self.adapter.sample(count, generator, labels, truncation)
        return codes.to(self.adapter.device, self.adapter.dtype)

    def label_index(self, label: int | str) -> int:
        """Find a class by name or index. Raises `OptionError` or `UnknownNameError`."""
        classes = self.adapter.classes
        if not classes:
            raise OptionError(f"--label {label}: {self.name} is not conditional and takes no label")
        if isinstance(label, str) and label in classes:
            return classes.index(label)
        folded = [name.casefold() for name in classes]
        if isinstance(label, str) and folded.count(label.casefold()) == 1:
            return folded.index(label.casefold())
        if isinstance(label, int) or re.fullmatch(r"\d{1,9}", label):
            if int(label) >= len(classes) or int(label) < 0:
                raise OptionError(f"--label {label}: {self.name} has the classes 0 to {len(classes) - 1}")
            return int(label)
        raise unknown_name(f"class of {self.name}", label, classes)

    def code_name(self, codes: Codes, index: int) -> str:
        """Name one of some codes as pictures do: by its index, and by its class if it has one."""
        return f"code {index}" + ("" if codes.labels is None else f", {self.adapter.classes[int(codes.labels[index])]}")

    def read_codes(self, path: Path, *, label: int | str | None = None) -> Codes:
        """Read codes from a file, checked against this model's space and normalised as its own. Raises `CodesError`."""
        codes, card = load_codes(path)
        home = card.get("space", {}).get("name") if isinstance(card.get("space"), dict) else None
        if home not in {None, self.adapter.space.name}:
            raise CodesError(f"{path} holds codes of the space {home}, but the model's is {self.adapter.space}")
        if label is not None and self.adapter.classes and not self.adapter.needs_labels:
            raise OptionError(
                f"--label {label}: codes of {self.adapter.space} were made with their class: leave it out"
            )
        if label is not None:
            codes = Codes(codes.latents, torch.full((len(codes),), self.label_index(label)), codes.truncation)
        codes = codes.to(self.adapter.device, self.adapter.dtype)
        self.adapter.check(codes, str(path))
        return self.adapter.normalize(codes)

    def take_codes(self, codes: Codes | str | Path, *, label: int | str | None = None) -> Codes:
        """Take codes as this model computes with them, checked; those of a file are read. Raises `CodesError`."""
        if not isinstance(codes, Codes):
            return self.read_codes(Path(codes), label=label)
        taken = codes.to(self.adapter.device, self.adapter.dtype)
        self.adapter.check(taken, "codes=")
        return taken

    def save_codes(self, path: Path, codes: Codes) -> None:
        """Write codes of this model, with a card that names it and its space. Raises `OutputError`."""
        save_codes(path, codes, {"model": self.name, "space": self.adapter.space.as_json()})


def check_count(option: str, count: int, least: int = 1) -> None:
    """Refuse a number that is too small, or beyond what any memory holds. Raises `OptionError`."""
    if not least <= count <= MOST_CODES:
        raise OptionError(f"{option} {count}: it is at least {least} and at most {MOST_CODES:,}")


def check_seed(seed: int) -> int:
    """Return a seed that torch's CPU generator tells apart from every other. Raises `OptionError`."""
    if not 0 <= seed < 2**32:
        raise OptionError(f"--seed {seed}: a seed lies within 0 and {2**32 - 1}")
    return seed
