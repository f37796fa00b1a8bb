"""Run folders: the files that zoo writes into them, and which folder is written unless another was chosen."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo._utils.files import atomic_folder
from zoo._utils.lookups import is_dir
from zoo._utils.writing.claims import claim
from zoo._utils.writing.manifest import RUN_FOLDER, write_manifest
from zoo.core.codes import Codes
from zoo.core.files.hub_address import is_hub_address, parse_hub_address
from zoo.errors import OutputError
from zoo.registry.cards import is_file_name

# Characters of the name of a folder, of its first part, of a choice, and of the digest of what is longer.
_LONGEST_FOLDER = 200
_LONGEST_NAME = 120
_LONGEST_CHOICE = 60
_DIGITS = 8
# The names of `picture_name`.
_PICTURE = re.compile(r"(code|seed|unseen)-\d{4,10}(_[\w.+-]{1,100})?\.png")


@dataclass(frozen=True)
class Written:
    """What a command has written.

    Attributes:
        folder: The folder.
        notes: Lines for the person who asked.
    """

    folder: Path
    notes: tuple[str, ...] = ()


def is_picture(name: str) -> bool:
    """Say whether a name is one of `picture_name`.

    Args:
        name: The name of a file.

    Returns:
        Whether it is.
    """
    return _PICTURE.fullmatch(name) is not None


def picture_name(codes: Codes, index: int, *parts: str) -> str:
    """Name the file of one picture, so that the files of all codes sort in their order.

    Args:
        codes: The codes.
        index: Which of them the picture shows.
        *parts: What was done to it, if anything.

    Returns:
        A name such as ``code-0003.png``, ``seed-0007.png`` where each code has another seed, or
        ``seed-0007_02_-1.png``.
    """
    seeds = codes.naming_seeds
    numbers = range(len(codes)) if seeds is None else seeds
    digits = max(4, len(str(max(numbers))))
    name = f"{'code' if seeds is None else 'seed'}-{numbers[index]:0{digits}}"
    return "_".join((name, *parts)) + ".png"


@contextmanager
def new_run_folder(folder: str | Path, *, force: bool = False) -> Iterator[Path]:
    """Yield an empty folder to fill; it becomes `folder` once it is complete, and is removed on failure.

    A list of its files is added, by which `force` knows later what zoo wrote.

    Args:
        folder: The run folder to write.
        force: Replace an existing run folder.

    Yields:
        The folder to fill.

    Raises:
        OutputError: If `folder` exists and may not be replaced, or cannot be written.
    """
    _refuse_url(Path(folder))
    with atomic_folder(Path(folder), force=force, replaceable=RUN_FOLDER) as partial:
        yield partial
        write_manifest(partial)


@contextmanager
def claimed_run_folder(folder: Path | None, *, force: bool) -> Iterator[None]:
    """Keep the name of a run folder for what is written in the body of the ``with`` statement.

    Args:
        folder: The run folder that is to be written; None is none.
        force: Allow an existing folder that holds nothing but what zoo wrote.

    Raises:
        OutputError: If the folder exists and may not be replaced, or another process is about to write it.
    """
    if folder is None:
        yield
        return
    _refuse_url(folder)
    with claim(folder, force=force, replaceable=RUN_FOLDER):
        yield


def _refuse_url(folder: Path) -> None:
    """Refuse a URL, of which a path makes a folder called, say, ``s3:``."""
    scheme = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]+):", folder.parts[0]) if folder.parts else None
    if scheme is not None:
        url = f"{scheme[1]}://{'/'.join(folder.parts[1:])}"
        raise OutputError(f"cannot write {url}: only 'zoo sweep' writes to a URL; name a folder")


def folder_under_runs(*parts: str) -> Path:
    """Name a run folder after what was asked for.

    Args:
        *parts: The parts of the name.

    Returns:
        The parts with hyphens between, under ``runs/``.
    """
    return Path("runs") / "-".join(parts)


def usual_run_folder(parts: Sequence[str], choices: Mapping[str, Any], usual: Mapping[str, Any]) -> Path:
    """Name a run folder after what was asked for and chosen, so that what differs has different folders.

    Args:
        parts: The first parts of the name.
        choices: What was chosen, by the names of options; None for what was not.
        usual: The values of options that are as good as not chosen.

    Returns:
        A path under ``runs/``. What is long is cut, and then ends with a digest.
    """
    chosen = {name: value for name, value in choices.items() if name not in usual or value != usual[name]}
    name = short_part("-".join(parts), _LONGEST_NAME)
    return folder_under_runs(short_part("-".join([name, *name_choices(chosen)]), _LONGEST_FOLDER))


def name_choices(choices: Mapping[str, Any]) -> list[str]:
    """Make the parts of a folder's name that tell what was chosen.

    Args:
        choices: Values by the names of options; None for what was not chosen.

    Returns:
        A part for each choice, such as ``layers-4-7`` or ``truncation-0.7``, with unusual characters replaced by
        underscores. A value that is long is cut, and then ends with a digest. Of what is True there is the name.
    """
    chosen = {name: value for name, value in choices.items() if value is not None}
    return [name if value is True else f"{name}-{_short(value)}" for name, value in chosen.items()]


def _short(value: Any) -> str:
    if isinstance(value, Path):
        value = short_file_name(value)
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return short_part(",".join(map(str, value)) if listed else str(value), _LONGEST_CHOICE)


def short_part(text: str, longest: int) -> str:
    """Make a text fit into the name of a folder.

    Args:
        text: The text.
        longest: The most characters; a text that has more is cut, and then ends with a digest.

    Returns:
        The text, with unusual characters replaced by underscores.
    """
    part = re.sub(r"[^A-Za-z0-9._-]+", "_", text)
    if len(part) <= longest:
        return part
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    return f"{part[: longest - _DIGITS - 1]}-{digest}"


def short_model_name(model: str) -> str:
    """Shorten a model's name for the name of a folder.

    Args:
        model: The name of a card, or the path of a weights file.

    Returns:
        The card's name, or the file's without its folders and ending.
    """
    return Path(model.replace("\\", "/")).stem if is_file_name(model) else model


def short_file_name(path: Path) -> str:
    """Shorten the name of directions for the name of a folder.

    Args:
        path: A directions file, a run folder, or an address on the Hub.

    Returns:
        The name of the file without its ending, of the folder, or of the repository; at most 120 characters.
    """
    if is_hub_address(path):
        return parse_hub_address(path).repo.replace("/", "-")[:120]
    return (path.name if is_dir(path) else path.stem)[:120]
