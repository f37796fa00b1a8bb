"""The model cards: what each model is, where its weights are, under which licence, and which regions it names."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from zoo.errors import CardError
from zoo.names import unknown_name
from zoo.plugins import Plugins, unique
from zoo.region import COMMON_REGIONS

SCHEMES = ("pypi", "path")
"""The kinds of sources that weights come from; `path` is a plain path, relative to the registry file's folder."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9._-]*")
_SHA256 = r"^[0-9a-f]{64}$"

Sha256 = Annotated[str, Field(pattern=_SHA256)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Record):
    """One place to fetch weights from; `archive_sha256` pins the wheel or archive that holds them."""

    url: str
    archive_sha256: Sha256 | None = None

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str) -> str:
        scheme, found, _ = url.partition("://")
        if found and scheme not in SCHEMES:
            raise ValueError(f"{scheme}:// is no source zoo can read; there are pypi:// and plain paths")
        return url

    @property
    def scheme(self) -> str:
        """``pypi`` or ``path``."""
        return self.url.partition("://")[0] if "://" in self.url else "path"


class Weights(_Record):
    """Where the weights are: sources in order of preference, and what the file must hash to."""

    sources: tuple[Source, ...] = Field(min_length=1)
    sha256: Sha256 | None = None
    size: int | None = Field(default=None, gt=0, description="bytes")
    verified: bool = False

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.sha256 is None and any(source.scheme != "path" for source in self.sources):
            raise ValueError("weights that are fetched need a sha256")
        return self


class Licence(_Record):
    """The terms of the weights, and of the data that they were trained on."""

    weights: str
    data: str | None = None

    def __str__(self) -> str:
        return f"weights: {self.weights}" + (f"; data: {self.data}" if self.data else "")


class Card(_Record):
    """Everything zoo knows of a model before its weights are read."""

    name: str
    adapter: str
    default: bool = False
    summary: str
    resolution: int = Field(gt=0)
    space: str
    dim: int = Field(gt=0)
    classes: tuple[str, ...] = ()
    weights: Weights
    licence: Licence
    dataset: str | None = None
    origin: str | None = None
    paper: str | None = None
    regions: dict[str, str] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    file: Path | None = Field(default=None, exclude=True)

    @field_validator("name")
    @classmethod
    def _well_named(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("a model's name is architecture.variant, in lower case letters, digits, '-' and '_'")
        return name

    @field_validator("regions")
    @classmethod
    def _own_regions(cls, regions: dict[str, str]) -> dict[str, str]:
        taken = sorted(set(regions) & set(COMMON_REGIONS))
        if taken:
            raise ValueError(f"the region name {taken[0]!r} is taken: every model has it")
        return regions

    @property
    def architecture(self) -> str:
        """The part of the name before the point."""
        return self.name.partition(".")[0]

    def paths(self) -> list[Path]:
        """The plain paths among the sources, relative ones seen from the registry file."""
        base = self.file.parent if self.file else Path()
        return [base / source.url for source in self.weights.sources if source.scheme == "path"]


@dataclass(frozen=True)
class Registry:
    """Every card, by full name."""

    cards: Mapping[str, Card]

    def resolve(self, name: str) -> Card:
        """Find a card by its full name, or by its architecture alone: then the default one.

        Raises `UnknownNameError`.
        """
        if name in self.cards:
            return self.cards[name]
        family = [card for card in self.cards.values() if card.architecture == name]
        chosen = [card for card in family if card.default] or family[:1]
        if not chosen:
            raise unknown_name("model", name, self.cards)
        return chosen[0]

    def match(self, pattern: str | None) -> list[Card]:
        """List the cards whose names match a glob pattern, by name; all of them without one."""
        names = sorted(self.cards)
        if pattern is not None:
            wide = pattern if any(sign in pattern for sign in "*?[") else f"{pattern}*"
            names = [name for name in names if fnmatch.fnmatchcase(name, wide)]
        return [self.cards[name] for name in names]


def load_registry(plugins: Plugins, extra: Iterable[Path] = ()) -> Registry:
    """Read the built-in cards, those of plugins, and those of `extra` files.

    Raises `CardError` naming file, card and field; `PluginError` when a name is claimed twice.
    """
    files = [("zoo itself", built_in_file()), *plugins.registries, *((str(path), path) for path in extra)]
    claims = [(owner, card) for owner, path in files for card in read_cards(path)]
    cards = unique("model", claims)
    _one_default(cards.values())
    return Registry(cards)


def built_in_file() -> Path:
    """Return the registry file that comes with zoo: inside the package, or at the root of a checkout."""
    packaged = Path(__file__).with_name("registry.yaml")
    return packaged if packaged.exists() else packaged.parents[1] / "registry.yaml"


def read_cards(path: Path) -> list[Card]:
    """Read one registry file. Raises `CardError` naming the file, the card and the field."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise CardError(f"cannot read registry {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CardError(f"registry {path} is not YAML: {' '.join(str(error).split())}") from None
    models = content.get("models") if isinstance(content, dict) else None
    if not isinstance(models, list):
        raise CardError(f"registry {path}: the file must hold 'models:', a list of cards")
    return [_read_card(path, index, fields) for index, fields in enumerate(models)]


def _read_card(path: Path, index: int, fields: Any) -> Card:
    label = fields.get("name", f"number {index + 1}") if isinstance(fields, dict) else f"number {index + 1}"
    try:
        return Card.model_validate({**fields, "file": path} if isinstance(fields, dict) else fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the card"
        raise CardError(f"registry {path}, card {label}, field {where}: {first['msg']}") from None


def _one_default(cards: Iterable[Card]) -> None:
    defaults: dict[str, str] = {}
    for card in cards:
        if card.default and defaults.setdefault(card.architecture, card.name) != card.name:
            raise CardError(f"both {defaults[card.architecture]} and {card.name} claim to be the default")
