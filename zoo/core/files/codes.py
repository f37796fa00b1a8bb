"""Files of codes: those that zoo writes, and arrays of other projects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo._utils.lookups import is_dir
from zoo._utils.tensorfile import FLOATS, UnreadableError, write_tensors
from zoo.core.codes import Codes, LatentSpace
from zoo.core.files.arrays import (
    CODES,
    MisfitError,
    arrange,
    counted,
    pick,
    warn_of_reading,
)
from zoo.core.files.reading import read_arrays, split_name
from zoo.core.files.styles import join_styles
from zoo.core.truncation import MOST_TRUNCATION
from zoo.errors import CodesError

# What functions take as codes: also the path of a file, or an array.
GivenCodes = Codes | Tensor | NDArray[Any] | str | Path

_FORMAT = "zoo-codes/1"


def save_codes(path: Path, codes: Codes, metadata: Mapping[str, Any]) -> None:
    """Write codes to a safetensors file, with the tensors `latents` and, if there are any, `labels`.

    Args:
        path: the file.
        codes: the codes.
        metadata: entries for the file's JSON metadata, beside its format, the truncation and the seeds.

    Raises:
        OutputError: the file cannot be written.

    """
    tensors = {"latents": codes.latents} if codes.labels is None else {"latents": codes.latents, "labels": codes.labels}
    seeds = {} if codes.seeds is None else {"seeds": list(codes.seeds)}
    write_tensors(path, tensors, {"format": _FORMAT, "truncation": codes.truncation, **seeds, **metadata})


def codes_file(path: Path) -> Path:
    """Find the file of codes that a path stands for.

    Args:
        path: a file, or a run folder.

    Returns:
        The file; that of a run folder is `codes.safetensors`.

    """
    return path / "codes.safetensors" if is_dir(path) else path


def load_codes(
    path: Path, *, space: LatentSpace | None = None, read_as: str | None = None
) -> tuple[Codes, dict[str, Any]]:
    """Read codes from a file of `save_codes`, or latents from a file of another project.

    That is an ``.npy`` or ``.npz`` file of numpy, safetensors, a torch file or a pickle, of which nothing is executed.
    ``FILE#NAME`` is one array of several. The shape is compared with `space`; a `ReadingWarning` says how codes were
    read where the file leaves it open.

    Args:
        path: the file, or a run folder, whose `codes.safetensors` is read.
        space: the space of the codes; without it, latents are returned as the file has them.
        read_as: how to read an array (layers, dim): ``rows`` for one code with a vector for each row, ``codes`` for
            codes that are the same in all rows. None raises an error for such an array.

    Returns:
        The codes, and the file's JSON metadata (empty for an array).

    Raises:
        CodesError: the file is missing, broken, holds something else, or can be read in several ways.
        OptionError: there is no such reading.

    """
    CODES.check_reading(read_as)
    file, name = split_name(codes_file(path))
    try:
        tensors, metadata = read_arrays(file)
    except UnreadableError as error:
        raise CodesError(f"cannot read codes from {file}: {error}") from None
    try:
        latents = _find_latents(tensors, metadata, name, file=file, space=space, read_as=read_as)
        labels = tensors.get("labels")
        truncation, seeds = metadata.get("truncation"), metadata.get("seeds")
        if latents.dtype not in FLOATS or (labels is not None and labels.dtype != torch.int64):
            raise MisfitError("holds other numbers: latents are floating point numbers, and labels int64")
        if truncation is not None and not (isinstance(truncation, int | float) and 0 <= truncation <= MOST_TRUNCATION):
            raise MisfitError(f"names a truncation that is no number from 0 to {MOST_TRUNCATION:g}")
        if seeds is not None and not (
            isinstance(seeds, list) and all(type(seed) is int and seed >= 0 for seed in seeds)
        ):
            raise MisfitError("names seeds that are no list of whole numbers")
        return Codes(latents, labels, truncation, None if seeds is None else tuple(seeds)), metadata
    except MisfitError as error:
        raise CodesError(f"{file} {error}") from None
    except CodesError as error:
        raise CodesError(f"{file}: {error}") from None


def _find_latents(
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, Any],
    name: str | None,
    *,
    file: Path,
    space: LatentSpace | None,
    read_as: str | None,
) -> Tensor:
    """Find the latents of a file, and bring those of another project into the shape of the space."""
    if metadata.get("format") == _FORMAT:
        if "latents" not in tensors:
            raise MisfitError(f"holds no tensor 'latents'; it has {', '.join(sorted(tensors)) or 'none'}")
        return tensors["latents"]
    if isinstance(metadata.get("format"), str):
        raise MisfitError(f"is a file of {metadata['format']}, not of codes")
    chosen = name or ("latents" if "latents" in tensors else None)
    tensors = tensors if chosen else join_styles(tensors, space)
    key, remark = pick(tensors, chosen, space, CODES)
    return tensors[key] if space is None else _arranged(tensors[key], space, str(file), read_as, remark)


def latents_from_array(array: Tensor, space: LatentSpace, origin: str, read_as: str | None) -> Tensor:
    """Bring latents that a caller has into the shape of the space.

    Args:
        array: (n, dim), or (n, layers, dim) where the space has rows.
        space: the space of the codes.
        origin: what the array is called in messages.
        read_as: see `load_codes`.

    Returns:
        The latents.

    Raises:
        CodesError: the array does not fit the space, or can be read in several ways.
        OptionError: there is no such reading.

    """
    CODES.check_reading(read_as)
    try:
        return _arranged(array, space, origin, read_as, "")
    except MisfitError as error:
        raise CodesError(f"{origin} {error}") from None


def _arranged(array: Tensor, space: LatentSpace, origin: str, read_as: str | None, remark: str) -> Tensor:
    latents, reading = arrange(array, space, CODES, read_as)
    if latents.ndim == 2 and space.layers > 1:
        count = counted(len(latents), CODES)
        reading = f"is read as {count} of {space.name}, with the same vector in all {space.layers} rows"
        latents = latents[:, None].expand(-1, space.layers, -1).clone()
    warn_of_reading(origin, remark, reading)
    return latents
