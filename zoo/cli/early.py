"""What a command can refuse before it imports torch: names that nobody knows, files that are not there, numbers.

The functions are the callbacks of parameters, in `zoo.cli.arguments`. What they look at is looked at again by what
carries the command out, since not every caller is a command; here it saves the seconds that the import takes.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import typer

from zoo._utils.lookups import exists, is_dir, require_file
from zoo._utils.paths import expand_home
from zoo._utils.sizes import parse_size
from zoo.core.files.hub_address import is_hub_address
from zoo.errors import CheckpointError, CodesError, DirectionsError, OptionError
from zoo.models.choices import check_dtype
from zoo.models.limits import check_count, check_seed, check_truncation, parse_seeds
from zoo.registry.cards import is_file_name

_Value = TypeVar("_Value")

_MISSING = "there is no such file"


def known_model(context: typer.Context, name: str | None) -> str | None:
    """Refuse a model that is neither in the registry nor a file.

    Args:
        context: the context, whose object is the `Settings`; so it is of all functions here.
        name: the name or the path; None for none.

    Returns:
        The same.

    Raises:
        UnknownNameError: there is no such model or file.
    """
    if name is not None:
        _check_model(context, name)
    return name


def known_models(context: typer.Context, names: str) -> str:
    """Refuse a model, or one of several with commas between, as `known_model` does; see there for the rest."""
    for name in [names] if exists(Path(names)) else _parts(names):
        _check_model(context, name)
    return names


def known_analyzers(context: typer.Context, names: str | None) -> str | None:
    """Refuse an analysis, or one of several with commas between, that is not installed, by `UnknownNameError`."""
    for name in _parts(names or ""):
        context.obj.plugins.analyzer(name)
    return names


def known_variants(context: typer.Context, texts: list[str] | None) -> list[str] | None:
    """Refuse an analysis that is not installed, each perhaps with a colon and options, by `UnknownNameError`."""
    for text in texts or ():
        context.obj.plugins.analyzer(text.partition(":")[0])
    return texts


def known_scorer(context: typer.Context, name: str | None) -> str | None:
    """Refuse a scorer that is not installed, by `UnknownNameError`."""
    if name is not None:
        context.obj.plugins.scorer(name)
    return name


def known_projector(context: typer.Context, name: str | None) -> str | None:
    """Refuse a projector that is not installed, by `UnknownNameError`."""
    if name is not None:
        context.obj.plugins.projector(name)
    return name


def given_file(path: Path) -> Path:
    """Refuse a weights file that is not there, by `UnknownNameError`."""
    if not is_dir(path):
        require_file(path, "name a weights file")
    return path


def given_tuned(path: Path | None) -> Path | None:
    """Refuse tuned weights that are not there, by `CheckpointError`."""
    if path is not None and not exists(found := expand_home(path)):
        raise CheckpointError(f"--tuned {path}: there is no file {found}; 'zoo project --tune' writes one")
    return path


def given_codes(path: Path | None) -> Path | None:
    """Refuse a file of codes that is not there, by `CodesError`."""
    if path is not None and not _is_there(str(path)):
        raise CodesError(f"cannot read codes from {path}: {_MISSING}")
    return path


def given_directions(path: Path) -> Path:
    """Refuse directions that are neither in a file nor on the Hub, by `DirectionsError`."""
    _check_directions(str(path))
    return path


def given_moves(texts: list[str]) -> list[str]:
    """Refuse directions, each perhaps with a colon and which ones, as `given_directions` does."""
    for text in texts:
        _check_directions(text)
    return texts


def given_side(context: typer.Context, path: Path) -> Path:
    """Refuse one side of a comparison, as `given_directions` does, unless it is the name of an analysis."""
    if str(path).partition(":")[0] not in context.obj.plugins.analyzers:
        _check_directions(str(path))
    return path


def given_pictures(names: list[str]) -> list[str]:
    """Refuse pictures of which none is there, by `OptionError`; patterns are looked at later."""
    if not any(exists(expand_home(name)) or glob.has_magic(name) for name in names):
        reasons = "; ".join(f"{name}: {_MISSING}" for name in names)
        raise OptionError(f"there is no picture to project: {reasons}")
    return names


def checked_by(check: Callable[[_Value], object]) -> Callable[[_Value | None], _Value | None]:
    """Make a callback that looks at a value, where one is given.

    Args:
        check: raises `OptionError` for what is wrong.

    Returns:
        The callback.
    """

    def callback(value: _Value | None) -> _Value | None:
        if value is not None:
            check(value)
        return value

    return callback


def _count(value: int) -> None:
    check_count("--samples", value)


def _memory(text: str) -> None:
    parse_size("--memory", text)


samples = checked_by(_count)
seed = checked_by(check_seed)
seeds = checked_by(parse_seeds)
truncation = checked_by(check_truncation)
memory = checked_by(_memory)
dtype = checked_by(check_dtype)


def _check_model(context: typer.Context, name: str) -> None:
    if context.resilient_parsing:  # a shell asks for proposals: errors would not be shown, and reading cards takes time
        return
    if not is_file_name(name):
        context.obj.installation.registry.resolve(name)
    elif not is_dir(path := expand_home(name)):
        require_file(path, "name a weights file, or a model of 'zoo list'")


def _check_directions(text: str) -> None:
    if not is_hub_address(text) and not _is_there(text):
        raise DirectionsError(f"cannot read directions from {text}: {_MISSING}")


def _is_there(text: str) -> bool:
    """Say whether there is anything at a path, without the terms behind a colon or the array's name behind a ``#``."""
    whole = str(expand_home(text))
    files = (whole, whole.rpartition(":")[0])
    return any(exists(Path(part)) for file in files for part in (file, file.rpartition("#")[0]) if part)


def _parts(names: str) -> Sequence[str]:
    return [part for part in map(str.strip, names.split(",")) if part]
