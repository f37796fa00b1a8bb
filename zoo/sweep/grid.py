"""Reading the file of a sweep: a grid of models, analyzers, regions, layers, labels and seeds.

The file is read as registry files are: plain YAML of bounded size, without tags and aliases.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from zoo._utils.html_repr import plain
from zoo._utils.sizes import parse_size
from zoo._utils.untrusted.opening import read_bounded
from zoo.errors import OptionError, SweepError, unknown_name
from zoo.registry.plain_yaml import MAX_BYTES, load_plain_yaml
from zoo.sweep.cells import Cell, Exclusion, ModelWords, PluginWords, ScorerWords, Settings

# The most cells of one file.
MAX_CELLS = 1_000_000
_MAX_THREADS = 1024


@dataclass(frozen=True)
class Sweep:
    """The content of a sweep's file.

    Attributes:
        file: The file.
        sha256: The hash of the file.
        cells: The cells, in the order of the grid; those of ``include`` come last.
        settings: What all cells have in common.
    """

    file: Path
    sha256: str
    cells: tuple[Cell, ...]
    settings: Settings


def file_sha256(file: Path) -> str:
    """Hash the file of a sweep.

    Args:
        file: The file.

    Returns:
        Its sha256.

    Raises:
        SweepError: If it cannot be read.
    """
    try:
        return hashlib.sha256(read_bounded(file, MAX_BYTES)).hexdigest()
    except OSError as error:
        raise SweepError(f"cannot read {file}: {error.strerror}") from None


def read_sweep(file: Path) -> Sweep:
    """Read the file of a sweep.

    Args:
        file: The file.

    Returns:
        Its cells and settings. Whether models, analyzers and regions exist has not been looked at.

    Raises:
        SweepError: If the file cannot be read, or something in it is none of a sweep's.
    """
    sha256 = file_sha256(file)
    try:
        content = load_plain_yaml(file)
    except OSError as error:
        raise SweepError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise SweepError(f"{file}: {error}") from None
    try:
        given = _mapping(content, "the file")
        names = [field.name for field in fields(Settings)]
        settings = _read_settings({name: value for name, value in given.items() if name in names})
        grid = {name: value for name, value in given.items() if name not in names}
        cells = [*_read_grid(grid, known=names), *_read_includes(grid)]
    except _SweepFileError as error:
        raise SweepError(f"{file}: {error}") from None
    if not cells:
        raise SweepError(f"{file}: it has no cell; it needs models and analyzers")
    return Sweep(file, sha256, tuple(cells), settings)


class _SweepFileError(ValueError):
    """Something in the file is none of a sweep's; the message does not name the file yet."""


# Settings


def _read_settings(given: Mapping[str, Any]) -> Settings:
    bounds = {"show": (1, 100_000), "unseen": (0, 100_000), "threads": (1, _MAX_THREADS)}
    for name, (least, most) in bounds.items():
        if name in given and not (_is_whole(given[name]) and least <= given[name] <= most):
            raise _SweepFileError(f"{name} is a whole number from {least} to {most:,}, not {_shown(given[name])}")
    for name in ("device", "dtype"):
        if name in given and not isinstance(given[name], str):
            raise _SweepFileError(f"{name} is a word, not {_shown(given[name])}")
    if given.get("memory") is not None:
        try:
            parse_size("memory", str(given["memory"]))
        except OptionError as error:
            raise _SweepFileError(str(error)) from None
    memory = given.get("memory")
    texts = {"memory": None if memory is None else str(memory), "scorer": _scorer(given.get("scorer"))}
    return Settings(**{**given, **texts})


def _scorer(value: Any) -> ScorerWords | None:
    if value is None or isinstance(value, str):
        return None if value is None else ScorerWords(value)
    given = _named(value, "scorer", ("name", "options"))
    found = [ScorerWords(given["name"], options) for options in _option_grid(given, "scorer")]
    if len(found) > 1:
        raise _SweepFileError("scorer: an option is one value, since all cells have the same scorer")
    return found[0]


# Grids


def _read_includes(grid: Mapping[str, Any]) -> list[Cell]:
    """Read the grids of ``include``."""
    cells = []
    for number, entry in enumerate(_list(grid.get("include")), start=1):
        where = f"include {number}"
        cells += _read_grid(_mapping(entry, where), where=f"{where}: ")
    return cells


def _read_grid(grid: Mapping[str, Any], *, where: str = "", known: Sequence[str] = ()) -> list[Cell]:
    """Expand a grid, without the cells that ``exclude`` takes out of it; the file's own may have none."""
    extra = ("exclude",) if where else ("exclude", "include")
    for name in grid:
        if name not in {*_AXES, *extra}:
            raise _SweepFileError(f"{where}{unknown_name('key', str(name), [*_AXES, *extra, *known])}")
    if not where and not {*grid} - {"include"}:
        return []
    values = {}
    for name, (field, read, usual) in _AXES.items():
        given = _list(grid[name]) if name in grid else usual
        values[field] = [one for value in given for one in read(value, f"{where}{name}")]
        if not values[field]:
            raise _SweepFileError(f"{where}{name} is missing: give one or a list")
    count = math.prod(map(len, values.values()))
    if count > MAX_CELLS:
        raise _SweepFileError(f"{where}the grid has {count:,} cells, and there may be {MAX_CELLS:,}")
    cells = [Cell(**dict(zip(values, combination, strict=True))) for combination in itertools.product(*values.values())]
    return _exclude(cells, grid, where)


def _exclude(cells: list[Cell], grid: Mapping[str, Any], where: str) -> list[Cell]:
    """Take cells out; an entry that takes none out is a mistake."""
    for number, entry in enumerate(_list(grid.get("exclude")), start=1):
        at = f"{where}exclude {number}"
        patterns = {}
        for name, value in _mapping(entry, at).items():
            if name not in _AXES:
                raise _SweepFileError(f"{at}: {unknown_name('key', str(name), _AXES)}")
            field, read, _ = _AXES[name]
            patterns[field] = [one for each in _list(value) for one in read(each, f"{at}: {name}")]
        exclusion = Exclusion(patterns)
        left = [cell for cell in cells if not exclusion.matches(cell)]
        if not patterns or len(left) == len(cells):
            raise _SweepFileError(f"{at} takes no cell out")
        cells = left
    return cells


# Values of the axes


def _models(value: Any, where: str) -> Iterator[ModelWords]:
    if isinstance(value, str):
        yield ModelWords(value)
        return
    given = _named(value, where, ("name", "space", "tuned", "options"))
    for name in ("space", "tuned"):
        if not isinstance(given.get(name, ""), str):
            raise _SweepFileError(f"{where}: {name} is a text, not {_shown(given[name])}")
    for options in _option_grid(given, where):
        yield ModelWords(given["name"], given.get("space"), given.get("tuned"), options)


def _analyzers(value: Any, where: str) -> Iterator[PluginWords]:
    if isinstance(value, str):
        yield PluginWords(value)
        return
    given = _named(value, where, ("name", "options"))
    for options in _option_grid(given, where):
        yield PluginWords(given["name"], options)


def _named(value: Any, where: str, known: Sequence[str]) -> Mapping[str, Any]:
    given = _mapping(value, where)
    for name in given:
        if name not in known:
            raise _SweepFileError(f"{where}: {unknown_name('key', str(name), known)}")
    if not isinstance(given.get("name"), str):
        raise _SweepFileError(f"{where}: an entry is a name, or has a name: {_shown(value)}")
    return given


def _option_grid(given: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """Yield the options of each cell: an option that has a list of values has one of them in each."""
    options = _mapping(given.get("options") or {}, f"{where}: options")
    lists = {str(name): value if isinstance(value, list) else [value] for name, value in options.items()}
    for value in itertools.chain(*lists.values()):
        if isinstance(value, list | dict):
            raise _SweepFileError(f"{where}: an option is one value or a list of values, not {_shown(value)}")
    for values in itertools.product(*lists.values()):
        yield {name: value if _is_plain(value) else str(value) for name, value in zip(lists, values, strict=True)}


def _texts(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, str):
        raise _SweepFileError(f"{where} are texts, not {_shown(value)}: write it in quotes")
    yield value


def _layers(value: Any, where: str) -> Iterator[str | None]:
    if value is None or value == "all":
        yield None
    elif isinstance(value, str) or _is_whole(value):
        yield str(value)
    else:
        raise _SweepFileError(f"{where} are texts such as 4-7 or coarse, or all: not {_shown(value)}")


def _labels(value: Any, where: str) -> Iterator[str | int | None]:
    if value is not None and not isinstance(value, str) and not _is_whole(value):
        raise _SweepFileError(f"{where} are names or indices, not {_shown(value)}: write a name in quotes")
    yield value


def _seeds(value: Any, where: str) -> Iterator[int]:
    from zoo.models.limits import parse_seeds

    if not isinstance(value, str) and not _is_whole(value):
        raise _SweepFileError(f"{where} are numbers, or texts such as 0-9: not {_shown(value)}")
    try:
        yield from parse_seeds(str(value))
    except OptionError as error:
        raise _SweepFileError(str(error).removeprefix("--")) from None


def _samples(value: Any, where: str) -> Iterator[int | None]:
    if value is not None and not (_is_whole(value) and value > 0):
        raise _SweepFileError(f"{where} are whole numbers from 1, not {_shown(value)}")
    yield value


def _truncations(value: Any, where: str) -> Iterator[float | None]:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise _SweepFileError(f"{where} are numbers, not {_shown(value)}")
    yield value if value is None else float(value)


# The keys of a grid: the field of a cell, what reads a value, and the values where there is no such key.
_AXES: dict[str, tuple[str, Callable[[Any, str], Iterator[Any]], list[Any]]] = {
    "models": ("model", _models, []),
    "analyzers": ("analyzer", _analyzers, []),
    "regions": ("region", _texts, ["all"]),
    "layers": ("layers", _layers, [None]),
    "labels": ("label", _labels, [None]),
    "seeds": ("seed", _seeds, [0]),
    "samples": ("samples", _samples, [None]),
    "truncations": ("truncation", _truncations, [None]),
}


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _SweepFileError(f"{what} must hold keys and values, not {_shown(value)}")
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _shown(value: Any) -> str:
    return plain(repr(value))[:60]
