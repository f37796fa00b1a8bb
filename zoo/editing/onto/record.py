"""The photographs of a projection: which they are, and what of each its code stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo._utils.html_repr import plain
from zoo._utils.lookups import exists, is_dir
from zoo._utils.paths import expand_home
from zoo._utils.pictures import PictureError
from zoo._utils.untrusted.opening import read_bounded, why_no_file
from zoo.core.files.reading import split_name
from zoo.editing.onto.carried import Onto
from zoo.errors import OptionError
from zoo.imaging.frames import Frame
from zoo.imaging.photographs import read_photograph
from zoo.weights.cache import sha256_of

# What `zoo project` writes beside the codes.
RECORD = "projection.json"
_MOST_BYTES = 2**26


class _Frame(BaseModel):
    """A `Frame`, as a file has it."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)
    corner: tuple[float, float] = Field(strict=False)
    right: tuple[float, float] = Field(strict=False)
    down: tuple[float, float] = Field(strict=False)


class _Picture(BaseModel):
    """What is recorded of one picture: its name and hash, and what of it the network draws."""

    model_config = ConfigDict(strict=True)
    name: str
    sha256: str | None = None
    frame: _Frame | None = None


class _Record(BaseModel):
    pictures: list[_Picture]


@dataclass(frozen=True)
class Photograph:
    """A photograph whose code was found.

    Attributes:
        index: Which of the codes is its own.
        file: Where it is.
        frame: What of it the network draws.
    """

    index: int
    file: Path
    frame: Frame

    def open(self) -> Onto:
        """Read the photograph.

        Returns:
            It, and what of it the network draws.

        Raises:
            OptionError: If it cannot be read.
        """
        try:
            return Onto(self.file.name, read_photograph(self.file), self.frame)
        except PictureError as error:
            raise OptionError(f"--onto {self.file}: {error}") from None


def find_photographs(codes: object, pictures: Sequence[str | Path | Photograph]) -> list[Photograph]:
    """Find which codes of a projection stand for some photographs.

    Args:
        codes: The run folder of ``zoo project``, or the file of codes in it.
        pictures: The photographs. They are recognised by their content, so they may have moved; those that were found
            before are not read again.

    Returns:
        The photographs, in the order in which they were given.

    Raises:
        OptionError: If that is no folder of a projection, or a picture is none of those that were projected.
    """
    found = [picture for picture in pictures if isinstance(picture, Photograph)]
    if len(found) == len(pictures):
        return found
    if not isinstance(codes, str | Path):
        raise OptionError("--onto needs codes that zoo project found: pass its folder, --codes RUN")
    given = expand_home(codes)
    record = _read(given if is_dir(given) else split_name(given)[0].parent)
    return [one if isinstance(one, Photograph) else _find(expand_home(one), record) for one in pictures]


def _find(picture: Path, record: Sequence[_Picture]) -> Photograph:
    if obstacle := why_no_file(picture):
        raise OptionError(f"--onto {picture}: {obstacle}")
    sha256 = sha256_of(picture)
    for index, entry in enumerate(record):
        if entry.sha256 == sha256 and entry.frame is not None:
            return Photograph(index, picture, Frame(entry.frame.corner, entry.frame.right, entry.frame.down))
    if any(entry.name == picture.name for entry in record):
        raise OptionError(f"--onto {picture}: the file has changed since it was projected: project it again")
    names = ", ".join(plain(entry.name) for entry in record[:8]) + (", …" if len(record) > 8 else "")
    raise OptionError(f"--onto {picture}: that picture was not projected; the codes stand for {names}")


def _read(folder: Path) -> list[_Picture]:
    path = folder / RECORD
    if not exists(path):
        raise OptionError(
            f"--onto needs codes that zoo project found, but {folder} holds no {RECORD}: pass its folder, --codes RUN"
        )
    try:
        return _Record.model_validate_json(read_bounded(path, _MOST_BYTES)).pictures
    except OSError as error:
        raise OptionError(f"--onto: {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise OptionError(f"--onto: {path} is broken: {error.error_count()} of its entries are wrong") from None
