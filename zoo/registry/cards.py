"""Model cards: everything zoo knows about a model before it reads the weights.

Cards are plain dataclasses, so that listing them is fast. `zoo.registry.card_files` validates registry files with
pydantic, which converts the ValueErrors raised here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo._utils.paths import expand_home
from zoo.core.channels import CHANNELS, describe_channels
from zoo.core.common_regions import COMMON_REGIONS
from zoo.errors import OptionError
from zoo.registry.alignment import NONE, parse_alignment
from zoo.registry.sources import LOCAL_SCHEMES, Source, Strict, check_sha256
from zoo.registry.words import is_list_name, parse_opposites

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9._-]*")
_FILE_ENDINGS = {".pt", ".pth", ".tar", ".bin", ".ckpt", ".safetensors", ".pkl"}


def describe_size(height: int, width: int) -> str:
    """Describe the size of images in words.

    Args:
        height: in pixels.
        width: in pixels.

    Returns:
        The size, such as ``64²``, or ``64 x 128``: height and width.
    """
    return f"{height}²" if height == width else f"{height} x {width}"


@dataclass(frozen=True)
class Weights(Strict):
    """Where the weights of a model are.

    Attributes:
        sources: the places to fetch the file from, in order of preference.
        sha256: the hash of the file. Without it, the hash of the first fetched file is remembered, and a file with
            another hash is refused afterwards.
        size: the size of the file, in bytes.
        verified: whether someone has fetched the file and run the model.
        obtain: where to get a file that no program can fetch, in a line.

    Raises:
        ValueError: there is neither a source nor `obtain`, a size is not positive, or a plain http source has no hash.
    """

    sources: tuple[Source, ...] = ()
    sha256: str | None = None
    size: int | None = None
    verified: bool = False
    obtain: str | None = None

    def __post_init__(self) -> None:
        check_sha256(self.sha256)
        if not self.sources and not self.obtain:
            raise ValueError("weights need at least one source, or 'obtain', a line that says where to get the file")
        if self.size is not None and self.size <= 0:
            raise ValueError("the size in bytes is above 0")
        if self.sha256 is None and any(source.scheme == "http" for source in self.sources):
            raise ValueError("weights that come by plain http need a sha256; https does not")

    @property
    def remote(self) -> list[Source]:
        """The sources that are not files on this machine."""
        return [source for source in self.sources if source.scheme not in LOCAL_SCHEMES]


@dataclass(frozen=True)
class Licence(Strict):
    """The terms of use.

    Attributes:
        weights: the licence of the weights.
        data: the licence of the data that they were trained on, or None.
    """

    weights: str
    data: str | None = None

    @property
    def short(self) -> str:
        """The licence of the weights without remarks: up to the first comma, colon or semicolon."""
        return re.split(r"[,;:] ", self.weights)[0]

    def __str__(self) -> str:
        return f"weights: {self.weights}" + (f"; data: {self.data}" if self.data else "")


@dataclass(frozen=True, kw_only=True)
class Card(Strict):
    """Everything zoo knows about a model before it reads the weights.

    Attributes:
        name: the name, ``architecture.variant``.
        adapter: the adapter that loads the weights.
        summary: one line on what the images show.
        resolution: pixels a side of the images; their height where they are not square.
        space: the name of the latent space.
        dim: the number of components of a code, or of each of its rows.
        weights: where the weights are.
        licence: the terms of use.
        width: the width of images that are not square, in pixels; None for square ones.
        channels: those of the images: 1 (grey), 3 (RGB) or 4 (RGBA).
        layers: the number of rows of a code.
        default: whether the architecture's name alone means this model.
        classes: the names of the classes of a conditional model.
        dataset: the data that the model was trained on.
        origin: the project that published the weights.
        paper: a reference or address.
        regions: named regions of the image, beside the common ones; see `zoo.core.parse_region`.
        words: what directions may be named after: opposites such as ``smile: a smiling face / a serious face``, or
            names of lists of the scorer that compares pictures with words.
        alignment: how the training pictures were cut around faces, such as ``ffhq``; see docs/cards.md.
        config: options of the adapter.
        file: the registry file that the card is in.

    Raises:
        ValueError: a name, number, text or region is not allowed.
    """

    name: str
    adapter: str
    summary: str
    resolution: int
    space: str
    dim: int
    weights: Weights
    licence: Licence
    width: int | None = None
    channels: int = 3
    layers: int = 1
    default: bool = False
    classes: tuple[str, ...] = ()
    dataset: str | None = None
    origin: str | None = None
    paper: str | None = None
    regions: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    alignment: str = NONE
    config: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None

    def __post_init__(self) -> None:
        if not _is_printable(self.__dict__):
            raise ValueError("texts in a card are single lines without control characters")
        if not _NAME.fullmatch(self.name):
            raise ValueError("a model's name is architecture.variant, in lower-case letters, digits, '-' and '_'")
        if min(self.resolution, self.dim, self.layers, *self.size) <= 0:
            raise ValueError("resolution, width, dim and layers are above 0")
        if self.channels not in CHANNELS:
            raise ValueError(f"channels are {', '.join(map(describe_channels, CHANNELS))}")
        parse_alignment(self.alignment)
        for line in self.words:
            if not is_list_name(line):
                _check_opposites(line)
        if taken := sorted(set(self.regions) & set(COMMON_REGIONS)):
            raise ValueError(f"the region name {taken[0]!r} is taken: every model has such a region")
        invalid = [region for region in self.regions if not re.fullmatch(r"[A-Za-z_][\w-]*", region)]
        if invalid:
            raise ValueError(f"the region name {invalid[0]!r} must consist of letters, digits, '_' and '-'")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.resolution, self.resolution if self.width is None else self.width

    @property
    def pixels(self) -> str:
        """The size of the images in words, such as ``64²``, or ``64 x 128``: height and width."""
        return describe_size(*self.size)

    @property
    def codes(self) -> str:
        """The space and the shape of a code, such as ``z 100`` or ``w 18 x 512``."""
        return f"{self.space} {self.dim}" if self.layers == 1 else f"{self.space} {self.layers} x {self.dim}"

    @property
    def terms(self) -> str:
        """The line shown before the weights are used: name, licence, and a note if nobody has verified the file."""
        unverified = (self.weights.remote or self.weights.obtain) and not self.weights.verified
        return f"{self.name} · {self.licence}" + (" · not verified: nobody has tried this file" if unverified else "")

    @property
    def architecture(self) -> str:
        """The part of the name before the first point."""
        return self.name.partition(".")[0]

    def paths(self) -> list[Path]:
        """List the sources that are files on this machine.

        Returns:
            Plain paths, relative to the folder of the registry file, and bundled files, in their package.

        """
        base = self.file.parent if self.file else Path()
        return [
            (_bundled_folder(base) / source.location if source.scheme == "bundled" else base / expand_home(source.url))
            for source in self.weights.sources
            if source.scheme in LOCAL_SCHEMES
        ]


def _check_opposites(line: str) -> None:
    try:
        parse_opposites(line)
    except OptionError as error:
        raise ValueError(f"words: {error}") from None


def _bundled_folder(base: Path) -> Path:
    """Return the folder of bundled files: beside a plugin's registry file, or inside the package for zoo's own."""
    package = Path(__file__).parents[1]
    return (package if base in {package, package.parent} else base) / "bundled"


def _is_printable(value: object) -> bool:
    """Tell whether all texts within a value are single lines without control characters; paths are not looked at."""
    if isinstance(value, str):
        return value.isprintable()
    if isinstance(value, dict):
        return all(_is_printable(part) for pair in value.items() for part in pair)
    if isinstance(value, tuple | list):
        try:
            return "".join(value).isprintable()  # a thousand names of classes at once
        except TypeError:
            return all(_is_printable(part) for part in value)
    return _is_printable(value.__dict__) if isinstance(value, Weights | Licence | Source) else True


def is_file_name(name: str) -> bool:
    """Tell whether a model is named by a path to a weights file rather than by its card.

    Args:
        name: what the user wrote.

    Returns:
        Whether it has a slash, or a suffix of weights files.
    """
    return "/" in name or "\\" in name or Path(name).suffix in _FILE_ENDINGS
