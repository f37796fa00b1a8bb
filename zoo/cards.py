"""The card of a model: everything zoo knows of it before its weights are read.

Cards are plain dataclasses, so that listing them is quick; `zoo.registry` validates files with pydantic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from zoo.names import COMMON_REGIONS

SCHEMES = ("pypi", "path")
"""The kinds of sources that weights come from; `path` is a plain path, relative to the registry file's folder."""

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
    layers: int = 1
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
        if min(self.resolution, self.dim, self.layers) <= 0:
            raise ValueError("resolution, dim and layers are above 0")
        taken = sorted(set(self.regions) & set(COMMON_REGIONS))
        if taken:
            raise ValueError(f"the region name {taken[0]!r} is taken: every model has it")
        odd = [region for region in self.regions if not re.fullmatch(r"[A-Za-z_][\w-]*", region)]
        if odd:
            raise ValueError(f"the region name {odd[0]!r} is not made of letters, digits, '_' and '-'")

    @property
    def codes(self) -> str:
        """The space and the shape of its codes, such as ``z 100`` or ``w 18 x 512``."""
        return f"{self.space} {self.dim}" if self.layers == 1 else f"{self.space} {self.layers} x {self.dim}"

    @property
    def architecture(self) -> str:
        """The part of the name before the point."""
        return self.name.partition(".")[0]

    def paths(self) -> list[Path]:
        """The plain paths among the sources, relative ones seen from the registry file."""
        base = self.file.parent if self.file else Path()
        return [base / source.url for source in self.weights.sources if source.scheme == "path"]


def _check_sha256(text: str | None) -> None:
    if text is not None and not _SHA256.fullmatch(text):
        raise ValueError("a sha256 is 64 lower-case hexadecimal digits")
