"""Files of directions: those that zoo writes, and arrays of other projects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo._utils.lookups import is_dir
from zoo._utils.naming import check_name
from zoo._utils.tensorfile import UnreadableError, write_array, write_tensors
from zoo.core.codes import LatentSpace
from zoo.core.directions import Directions
from zoo.core.files.arrays import (
    DIRECTIONS,
    MisfitError,
    arrange,
    pick,
    reading_by_name,
    warn_of_reading,
)
from zoo.core.files.hub_address import fetch_set, is_hub_address
from zoo.core.files.reading import read_arrays, split_name, to_tensor
from zoo.core.files.styles import join_styles
from zoo.core.moves import measure_lengths
from zoo.errors import DirectionsError

# What functions take as directions: also the path of a file or a run folder, or an array.
GivenDirections = Directions | Tensor | NDArray[Any] | str | Path

FORMAT = "zoo-directions/1"

# Entries of the metadata that are looked up and compared.
_TEXTS = ("weights_sha256", "model", "analyzer", "region", "source")

# How much longer than the shortest the longest of several vectors may be, if they are directions of one length.
_EQUAL_LENGTHS = 1.001
# Rows of a code, as of a model card.
_MAX_ROWS = 1000


def save_directions(path: Path, directions: Directions) -> None:
    """Write directions; see `Directions.save`.

    Args:
        path: the file; its suffix chooses the format.
        directions: the directions.

    Raises:
        OutputError: the file cannot be written.

    """
    if path.suffix == ".npy":
        vectors = directions.vectors if directions.layers is None else directions.by_row()
        write_array(path, vectors.to(torch.float32).numpy())
    else:
        write_tensors(path, {"vectors": directions.vectors, "scores": directions.scores}, metadata_of(directions))


def metadata_of(directions: Directions) -> dict[str, Any]:
    """Return the metadata of a file of directions; see `Directions.metadata`.

    Args:
        directions: the directions.

    Returns:
        Everything but `vectors` and `scores`, in values that fit into JSON.

    """
    names = directions.given_names
    return {
        "format": FORMAT,
        "space": directions.space.as_json(),
        "layers": None if directions.layers is None else list(directions.layers),
        "kept": None if directions.retained is None else [float(value) for value in directions.retained],
        "attributes": None if directions.attributes is None else list(directions.attributes),
        **({} if names is None else {"given_names": list(names)}),
        **directions.provenance,
    }


def load_directions(path: Path, space: LatentSpace | None, read_as: str | None) -> Directions:
    """Read directions; see `Directions.load`.

    Args:
        path: the file or the folder.
        space: the space that the directions must be in; None if it is not known.
        read_as: the reading to take where the shape of an array allows several.

    Returns:
        The directions.

    Raises:
        DirectionsError: see `Directions.load`.
        OptionError: there is no such reading.

    """
    DIRECTIONS.check_reading(read_as)
    if is_hub_address(path):
        return _fetched(path, space)
    file, name = split_name(path / "directions.safetensors" if is_dir(path) else path)
    try:
        tensors, metadata = read_arrays(file)
        if isinstance(metadata.get("format"), str):
            directions = _from_tensors(tensors, metadata)
        else:
            directions = _from_arrays(file, tensors, name, space, read_as)
    except UnreadableError as error:
        raise DirectionsError(f"cannot read directions from {file}: {error}") from None
    except MisfitError as error:
        raise DirectionsError(f"{file} {error}") from None
    except DirectionsError as error:
        raise DirectionsError(f"{file}: {error}") from None
    if len(directions) == 0:
        raise DirectionsError(f"{file} holds no direction")
    if directions.layers is not None and directions.space.layers == 1:
        raise DirectionsError(f"{file} names layers, but {directions.space} has a single row")
    if space is not None and directions.space != space:
        other = directions.space.name != space.name
        hint = f"; if the model has this space, pass --space {directions.space.name}" if other else ""
        raise DirectionsError(
            f"{file} holds directions of {directions.space}, but the model's codes are in {space}{hint}"
        )
    return directions


def _fetched(path: Path, space: LatentSpace | None) -> Directions:
    """Fetch a set of directions from the Hub, and read it; it records the commit that it is from."""
    file, address = fetch_set(path)
    try:
        return load_directions(file, space, None).with_provenance(fetched_from=address)
    except DirectionsError as error:
        raise DirectionsError(str(error).replace(str(file), address)) from None


def take_directions(given: GivenDirections, space: LatentSpace | None, read_as: str | None = None) -> Directions:
    """Take directions from a caller.

    Args:
        given: directions; the path of a file of them or of a run folder; or an array (k, dim), or (k, layers, dim)
            with a vector for each row of a code.
        space: the space that a file or an array must be in; None if it is not known.
        read_as: see `Directions.load`.

    Returns:
        The directions; those of an array are scaled to unit length.

    Raises:
        DirectionsError: a file or an array cannot be read, does not fit the space, or can be read in several ways.
        OptionError: there is no such reading.

    """
    if isinstance(given, Directions):
        return given
    if isinstance(given, str | Path):
        return Directions.load(given, space=space, read_as=read_as)
    return directions_from_array(given, space, read_as)


def directions_from_array(given: object, space: LatentSpace | None, read_as: str | None) -> Directions:
    """Take an array; see `Directions.from_array`.

    Args:
        given: the array.
        space: the space that it must be in; None if it is not known.
        read_as: the reading to take where its shape allows several.

    Returns:
        The directions.

    Raises:
        DirectionsError: see `Directions.from_array`.
        OptionError: see `Directions.from_array`.

    """
    DIRECTIONS.check_reading(read_as)
    array = to_tensor(given, "directions")
    try:
        return _scaled(array, space or _unknown_space(array), "an array", read_as, "")
    except MisfitError as error:
        raise DirectionsError(f"directions: the array {error}") from None


def _from_arrays(
    file: Path, tensors: Mapping[str, Tensor], name: str | None, space: LatentSpace | None, read_as: str | None
) -> Directions:
    tensors = tensors if name else join_styles(tensors, space)
    key, remark = pick(tensors, name, space, DIRECTIONS)
    array = tensors[key]
    if array.is_complex() or array.dtype == torch.bool:
        raise MisfitError(f"holds no numbers of directions in {key}")
    if read_as is None and (read_as := reading_by_name(key, array.shape)) is not None:
        remark = " and ".join(
            filter(None, (remark, f"holds eigenvectors in {key}: each column is read as a direction"))
        )
    return _scaled(array, space or _unknown_space(array), file.name, read_as, remark)


def _unknown_space(array: Tensor) -> LatentSpace:
    """Make a space as large as an array says; the last axis is that of a row."""
    if not array.numel():
        raise MisfitError("holds no direction")
    shape = (1, *array.shape)
    return LatentSpace("unknown", shape[-1], shape[-2] if len(shape) > 3 else 1)


def _scaled(array: Tensor, space: LatentSpace, source: str, read_as: str | None, remark: str) -> Directions:
    """Arrange an array, and scale each direction to unit length."""
    vectors, reading = arrange(array.to(torch.float64), space, DIRECTIONS, read_as)
    vectors, layers = _without_repetition(vectors)
    lengths = measure_lengths(vectors)
    if not bool(torch.isfinite(lengths).all()) or not bool((lengths > 0).all()):
        raise MisfitError("holds a direction that is zero or not finite")
    as_many = space.layers > 1 and array.ndim == vectors.ndim == 2 and len(vectors) > 1 and not reading
    of_lengths = as_many and bool(lengths.max() > _EQUAL_LENGTHS * lengths.min())
    # (layers, 1, dim) may be one direction for someone.
    if read_as is None and (of_lengths or tuple(array.shape) == (space.layers, 1, space.dim) != (1, 1, space.dim)):
        reading = f"is read as {len(vectors)} directions, each of which moves all {space.layers} rows of a code"
    warn_of_reading(source, remark, reading)
    provenance: dict[str, Any] = {"source": source, "shape": list(array.shape)}
    if read_as is not None:
        provenance["read_as"] = read_as
    scale = lengths.view(-1, *[1] * (vectors.ndim - 1))
    return Directions(space, vectors / scale, lengths, layers, provenance=provenance)


def _without_repetition(vectors: Tensor) -> tuple[Tensor, tuple[int, ...] | None]:
    """Write directions that have the same vector in each row that they move, (k, layers, dim), as (k, dim) and rows."""
    if vectors.ndim == 2 or not len(vectors):
        return vectors, None
    moved = vectors.abs().amax(dim=2) > 0
    rows = moved[0].nonzero().flatten()
    if not len(rows) or not torch.equal(moved, moved[:1].expand_as(moved)):
        return vectors, None
    first = vectors[:, rows[:1]]
    if not torch.equal(vectors[:, rows], first.expand(-1, len(rows), -1)):
        return vectors, None
    return first[:, 0], None if len(rows) == vectors.shape[1] else tuple(rows.tolist())


def _from_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> Directions:
    """Read a file of `Directions.save`, checking each part of its metadata."""
    if metadata["format"] != FORMAT:
        raise DirectionsError(f"it is not a directions file: its metadata does not name the format {FORMAT}")
    try:
        vectors, scores = tensors["vectors"], tensors["scores"]
        fields = _read_fields(metadata)
    except KeyError as error:
        raise UnreadableError(f"{error} is missing") from None
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise UnreadableError(f"its metadata is wrong: {error}") from None
    if not {vectors.dtype, scores.dtype} <= {torch.float32, torch.float64}:
        raise UnreadableError("vectors and scores must be float32 or float64 numbers")
    _check_texts(metadata)
    own_keys = {"format", "space", "layers", "kept", "attributes", "given_names"}
    provenance = {key: value for key, value in metadata.items() if key not in own_keys}
    return Directions(vectors=vectors, scores=scores, provenance=provenance, **fields)


def _check_texts(metadata: Mapping[str, Any]) -> None:
    """Refuse metadata whose texts are none; everything else in it is only shown, or read with care."""
    for key in _TEXTS:
        if not isinstance(metadata.get(key, ""), str):
            raise UnreadableError(f"its metadata is wrong: {key} is no text")


def _read_fields(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the fields of `Directions` that the metadata holds; the caller handles what does not convert."""
    space = metadata["space"]
    layers = metadata["layers"]
    kept = metadata["kept"]
    attributes, names = metadata.get("attributes"), metadata.get("given_names")
    return {
        "space": LatentSpace(str(space["name"]), _bounded(space["dim"]), _bounded(space["layers"], _MAX_ROWS)),
        "layers": None if layers is None else tuple(int(layer) for layer in layers),
        "retained": None if kept is None else torch.tensor([float(norm) for norm in kept], dtype=torch.float64),
        "attributes": None if attributes is None else tuple(str(name) for name in attributes),
        "given_names": None if names is None else tuple(check_name(str(name)) for name in names),
    }


def _bounded(value: Any, most: int = 2**24) -> int:
    """Read a size, at least 1; one beyond any network's raises `ValueError`."""
    if not int(value) <= most:
        raise ValueError(f"a space of {most:,} numbers at most, not {value}")
    return max(1, int(value))
