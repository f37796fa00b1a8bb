"""Arrays of codes and directions as other projects keep them: which array of a file is meant, and what its axes are.

What the axes are is read from the model's latent space: ``dim`` numbers a row, ``layers`` rows a code (num_ws).

=================================  ==================================================
shape                              reading
=================================  ==================================================
(dim,), (1, dim)                   one, the same in all rows of the code
(n, dim), (n, 1, dim)              n of them, each the same in all rows
(layers, dim)                      asked: one with a vector for each row, or `layers` of them; one if its rows are equal
(layers, dim) in batches           as many as the batch has, with a vector for each row
(dim, dim), directions             asked: a direction in each row, or in each column; rows if it is symmetric
(dim, k), directions               a direction in each column
(dim, dim) called eigvec           the same: the eigenvectors of factor.pt
any of these, then axes of 1       the same
=================================  ==================================================
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.errors import OptionError, few_names

if TYPE_CHECKING:
    from zoo.core.codes import LatentSpace

ROWS = "rows"
COLUMNS = "columns"

# Names of arrays that are no codes and no directions but lie beside them, and names of directions.
_STATISTIC = re.compile(r"(?:.*[./_])?(?:mean|avg|average|std|stdev|var)s?")
_DIRECTION_NAME = re.compile(
    r"(?:.*[./_])?(?:directions?|boundar(?:y|ies)|eigvecs?|eigenvectors?|comps?|components?|factors?)"
)


# The two sets of components in a file of GANSpace.
_GANSPACE = {"act_comp", "lat_comp"}

# What closed_form_factorization.py of stylegan2-pytorch calls the eigenvectors in factor.pt; they are its columns.
_FACTOR = "eigvec"


class ReadingWarning(UserWarning):
    """How a file of another project was read, where the file itself does not say."""


@dataclass(frozen=True)
class ArrayKind:
    """What the arrays of a file are read as.

    Attributes:
        one: what one of them is called.
        many: what several are called; `many` as a reading takes each row of an array for one.
        option: the option of the command line that chooses a reading.
        may_be_columns: whether they may stand in the columns of a matrix.

    """

    one: str
    many: str
    option: str
    may_be_columns: bool = False

    def check_reading(self, read_as: str | None) -> None:
        """Refuse a reading that there is not.

        Args:
            read_as: the reading that was asked for, or None.

        Raises:
            OptionError: there is no such reading.

        """
        known = (ROWS, self.many, *([COLUMNS] if self.may_be_columns else []))
        if read_as not in {None, *known}:
            raise OptionError(f"{self.option} {read_as}: it is one of {', '.join(known)}")


CODES = ArrayKind("code", "codes", "--codes-as")
DIRECTIONS = ArrayKind("direction", "directions", "--as", may_be_columns=True)


class MisfitError(ValueError):
    """An array has no shape that fits, or several readings; the message goes on after the array's name."""


def arrange(array: Tensor, space: LatentSpace, kind: ArrayKind, read_as: str | None = None) -> tuple[Tensor, str]:
    """Bring an array into the shape that the rest of zoo expects.

    Args:
        array: the array, with the shape that its file gives it.
        space: the latent space that it belongs to.
        kind: what it holds.
        read_as: the reading to take where the shape allows several.

    Returns:
        (n, dim), the same in all rows of a code, or (n, layers, dim); and a remark on how it was read, empty where
        that needs no word.

    Raises:
        MisfitError: the shape does not fit the space, or allows several readings and `read_as` names none of them.

    """
    shape = tuple(array.shape)
    while len(shape) > 1 and shape[-1] == 1 and shape[-1] != space.dim:  # a code of a DCGAN may be (dim, 1, 1)
        shape = shape[:-1]
    array = array.reshape(shape)
    readings = _readings(shape, space, kind)
    if not readings:
        raise MisfitError(f"holds {_numbers(shape)} numbers, {_misfit(shape, space)}")
    if read_as is None and space.name != "s" and shape[-1] == sum(space.styles):
        raise MisfitError(
            f"holds {_numbers(shape)} numbers, which fit {space} and the styles of its layers: pass "
            f"{_choices(readings, kind)}, or --space s if these are vectors of StyleSpace"
        )
    if len(shape) == 2 and shape[0] > 1:
        chosen = _choose(array, readings, kind, read_as)
        if chosen == ROWS:
            return array[None], ""
        if chosen == COLUMNS:
            return array.T, "" if read_as else f"is read as {readings[COLUMNS]}"
        if space.layers == shape[0] and read_as is None:  # all rows are equal
            return array[:1], ""
        return array, ""
    if len(shape) > 2 and shape[-2] == space.layers:
        return array.reshape(-1, *space.shape), ""
    return array.reshape(-1, space.dim), ""


def _readings(shape: tuple[int, ...], space: LatentSpace, kind: ArrayKind) -> dict[str, str]:
    """List the readings that a shape allows, each with its description."""
    if not shape:
        return {}
    *lead, last = shape
    readings = {}
    if last == space.dim and len(lead) < 2:
        count = lead[0] if lead else 1
        if space.layers > 1 and count == space.layers:
            readings[ROWS] = f"one {kind.one} with a vector for each of the {count} rows of a code"
        readings[kind.many] = counted(count, kind)
    elif last == space.dim and lead[-1] in {1, space.layers} and sum(length != 1 for length in lead[:-1]) < 2:
        readings[kind.many] = counted(prod(lead[:-1]), kind)
    if kind.may_be_columns and len(lead) == 1 and lead[0] == space.dim > 1:
        readings[COLUMNS] = f"{counted(last, kind)}, one in each column"
        if kind.many in readings:
            readings[kind.many] += ", one in each row"
    return readings


def _choose(array: Tensor, readings: Mapping[str, str], kind: ArrayKind, read_as: str | None) -> str:
    """Choose a reading of a matrix."""
    if read_as is not None:
        if read_as in readings:
            return read_as
        raise MisfitError(
            f"holds {_numbers(array.shape)} numbers and cannot be read with {kind.option} {read_as}, only as "
            + " or as ".join(readings.values())
        )
    left = dict(readings)
    if ROWS in left and torch.equal(array, array[:1].expand_as(array)):
        del left[ROWS]  # equal vectors in all rows: one of them says it
    if COLUMNS in left and array.shape[0] == array.shape[1] and torch.equal(array, array.T):
        del left[COLUMNS]
    if len(left) == 1:
        return next(iter(left))
    raise MisfitError(
        f"holds {_numbers(array.shape)} numbers, which can be read in {len(left)} ways: pass {_choices(left, kind)}"
    )


def _choices(readings: Mapping[str, str], kind: ArrayKind) -> str:
    return ", or ".join(f"{kind.option} {reading} if it is {words}" for reading, words in readings.items())


def _misfit(shape: tuple[int, ...], space: LatentSpace) -> str:
    rows = shape[-2] if len(shape) > 2 and shape[-1] == space.dim else 1
    known = f": these are of a model with {rows} rows" if rows > 1 else ""
    if not known and space.styles and shape:
        if shape[-1] == 2:
            known = ": pairs of a layer and a channel are no vectors, which have a number for each style"
        elif space.name != "s" and shape[-1] == sum(space.styles):
            known = ": for vectors of StyleSpace, open the model with --space s"
        elif shape[-1] > space.dim:
            known = f"; vectors of StyleSpace have {sum(space.styles):,} numbers here, with the styles of ToRGB"
    return f"but the space is {space}{known}"


def _numbers(shape: tuple[int, ...] | torch.Size) -> str:
    return " x ".join(map(str, shape)) or "no"


def reading_by_name(name: str, shape: Sequence[int]) -> str | None:
    """Return the reading that the name of an array settles, where its shape leaves it open.

    Args:
        name: the name of the array.
        shape: its shape.

    Returns:
        ``columns`` for the square matrix of eigenvectors of ``factor.pt``; else None.

    """
    return COLUMNS if name == _FACTOR and len(shape) == 2 and shape[0] == shape[1] else None


def counted(count: int, kind: ArrayKind) -> str:
    """Write a number of codes or directions, such as ``1 code``.

    Args:
        count: the number.
        kind: what is counted.

    """
    return f"{count} {kind.one if count == 1 else kind.many}"


def warn_of_reading(origin: str, *remarks: str) -> None:
    """Say how something was read, where it does not say so itself.

    Args:
        origin: what was read.
        remarks: how; empty ones are left out.

    """
    said = " and ".join(filter(None, remarks))
    if said:
        warnings.warn(f"{origin} {said}", ReadingWarning, stacklevel=2)


def pick(arrays: Mapping[str, Tensor], name: str | None, space: LatentSpace | None, kind: ArrayKind) -> tuple[str, str]:
    """Find the array of a file that holds what is wanted.

    Args:
        arrays: the arrays by name.
        name: the one that was asked for; None takes the only one whose shape fits.
        space: the latent space; None if it is not known.
        kind: what the array holds.

    Returns:
        Its name, and a remark as that of `arrange`.

    Raises:
        MisfitError: there is no such array, or several fit.

    """
    listed = few_names([f"{key} ({_numbers(array.shape)})" for key, array in arrays.items()])
    if name is not None:
        if name not in arrays:
            raise MisfitError(f"holds no array {name!r}: there are {listed}")
        return name, ""
    fitting = [key for key, array in arrays.items() if _fits(array, space, kind)] if len(arrays) > 1 else list(arrays)
    # Means and spreads of codes lie beside what was computed of them, such as GANSpace's components.
    fitting = [key for key in fitting if not _STATISTIC.fullmatch(key.lower())] or fitting
    if set(fitting) >= _GANSPACE:
        fitting = ["lat_comp"]  # of codes, while act_comp is of whatever layer was looked at
    if not fitting:
        raise MisfitError(f"holds {listed}, of which none has the shape of {kind.many} of {space}")
    if len(fitting) > 1:
        raise MisfitError(f"holds several arrays: choose one by its name, as in FILE#{fitting[0]}; there are {listed}")
    _refuse_code(fitting[0], space, kind)
    return fitting[0], f"is read for its array {fitting[0]}" if len(arrays) > 1 else ""


def _fits(array: Tensor, space: LatentSpace | None, kind: ArrayKind) -> bool:
    return array.is_floating_point() and (space is None or bool(_readings(tuple(array.shape), space, kind)))


def _refuse_code(name: str, space: LatentSpace | None, kind: ArrayKind) -> None:
    """Refuse an array whose name says that it holds codes, where directions or codes of another space are wanted."""
    said = re.fullmatch(r"(?:.*[./_])?([zw])(?:s|plus|_?plus|_opt|_codes?)?", name.lower())
    latent = said or re.fullmatch(r"(?:.*\.)?(?:latents?|codes?)", name.lower())
    if kind is DIRECTIONS and latent:
        raise MisfitError(f"holds {name}, which names codes: if these are directions, write FILE#{name}")
    if kind is CODES and _DIRECTION_NAME.fullmatch(name.lower()):
        raise MisfitError(f"holds {name}, which names directions: if these are codes, write FILE#{name}")
    if kind is CODES and said and space is not None and said[1] != space.name[0]:
        raise MisfitError(
            f"holds {name}, which names codes of {said[1]}, but the space is {space}: "
            f"open the model with --space {said[1]}, or write FILE#{name}"
        )
