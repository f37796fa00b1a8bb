"""Directions: what every analyzer returns, and the file that they are kept in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo._utils.files import is_dir
from zoo._utils.html_repr import facts_html, plain, table_html
from zoo._utils.paths import expand_home
from zoo._utils.tensorfile import UnreadableError, read_array, read_tensors, write_array, write_tensors
from zoo.core.codes import LatentSpace
from zoo.core.moves import Move, Term
from zoo.errors import DirectionsError, OptionError

FORMAT = "zoo-directions/1"

# How far the length of a vector may be from 1; files may hold float32.
_UNIT_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Directions:
    """Unit directions of a latent space, strongest first. All tensors are float64 on the CPU.

    Attributes:
        space: the latent space.
        vectors: (k, dim) unit rows.
        scores: (k,), in descending order; their meaning is the analyzer's.
        layers: the rows of the code that the directions move; None for all, and in a space with a single row.
        retained: (k,), from 0 to 1: the norm that each unit direction retained in a projection, or None where nothing
            was projected. In files this is called ``kept``.
        provenance: how the directions came about, in values that fit into JSON.
        attributes: (k,) the attribute that each direction increases, where the analysis was asked for attributes; None
            for other analyses.

    Raises:
        DirectionsError: shapes disagree, numbers are not finite, or a row is not of unit length.

    """

    space: LatentSpace
    vectors: Tensor
    scores: Tensor
    layers: tuple[int, ...] | None = None
    retained: Tensor | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    attributes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("vectors", "scores", "retained"):
            value = getattr(self, name)
            if value is not None:  # the dataclass is frozen, so set the field as its own __init__ does
                object.__setattr__(self, name, value.detach().to("cpu", torch.float64))
        self._check_shapes()
        if not bool(torch.isfinite(self.vectors).all()) or bool(torch.isnan(self.scores).any()):
            raise DirectionsError("directions hold numbers that are not finite")
        lengths = self.vectors.norm(dim=1)
        if len(self) and float((lengths - 1).abs().max()) > _UNIT_TOLERANCE:
            raise DirectionsError(
                f"directions are unit rows, but one has length {float(lengths[(lengths - 1).abs().argmax()]):.4g}"
            )

    def _check_shapes(self) -> None:
        if self.vectors.ndim != 2 or self.vectors.shape[1] != self.space.dim:
            raise DirectionsError(
                f"directions of {self.space} have shape (k, {self.space.dim}), not {tuple(self.vectors.shape)}"
            )
        for name, value in (("scores", self.scores), ("kept norms", self.retained)):
            if value is not None and tuple(value.shape) != (len(self),):
                raise DirectionsError(
                    f"{name} of {len(self)} directions have shape ({len(self)},), not {tuple(value.shape)}"
                )
        if self.attributes is not None and len(self.attributes) != len(self):
            raise DirectionsError(f"{len(self)} directions have {len(self)} attributes, not {len(self.attributes)}")

    def __len__(self) -> int:
        return len(self.vectors)

    def move(self, index: int, weight: float = 1.0, *, name: str | None = None) -> Move:
        """Make a move along one direction. Moves can be added.

        Args:
            index: which direction, counted from 0.
            weight: what the unit direction is multiplied by.
            name: what the direction is called in images; by default its region and index.

        Returns:
            The move.

        Raises:
            DirectionsError: there is no such direction.
            OptionError: the weight is not finite.

        """
        if not 0 <= index < len(self):
            raise DirectionsError(f"no direction {index}: the file holds 0 to {len(self) - 1}")
        if not abs(weight) < float("inf"):
            raise OptionError(f"weight {weight} of direction {index}: it must be a finite number")
        return Move((Term(self, index, weight, self.layers, name or f"{self._title} {self.label(index)}"),))

    def label(self, index: int) -> str:
        """Return how tables name a direction.

        Args:
            index: which direction, counted from 0.

        Returns:
            Its index, followed by its attribute if it has one.

        """
        return str(index) if self.attributes is None else f"{index} {plain(self.attributes[index])}"

    def take(self, count: int) -> Directions:
        """Select the strongest directions.

        Args:
            count: how many; all if there are fewer.

        Returns:
            The first `count` directions.

        """
        retained = None if self.retained is None else self.retained[:count]
        attributes = None if self.attributes is None else self.attributes[:count]
        return replace(
            self, vectors=self.vectors[:count], scores=self.scores[:count], retained=retained, attributes=attributes
        )

    def with_provenance(self, **entries: Any) -> Directions:
        """Add entries to the provenance.

        Args:
            entries: values that fit into JSON; they replace those of the same key.

        Returns:
            The same directions with a longer provenance.

        """
        return replace(self, provenance={**self.provenance, **entries})

    @property
    def origin(self) -> str:
        """The analyzer, model and region that the directions are from, in a few words; empty if none is recorded."""
        recorded = {key: plain(value) for key, value in self.provenance.items() if isinstance(value, str)}
        if "analyzer" not in recorded:
            return recorded.get("source", "")
        model = recorded.get("model", "an unknown model")
        return f"{recorded['analyzer']} of {model}, region {recorded.get('region', 'unknown')}"

    @property
    def _title(self) -> str:
        """What images call a direction, before its index: its region, unless that is the whole image."""
        region = self.provenance.get("region", "all")
        return plain(region) if isinstance(region, str) and region != "all" else "direction"

    def __repr__(self) -> str:
        return ", ".join(filter(None, (f"Directions({len(self)} of {self.space}", self.origin))) + ")"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: where the directions are from, and a table of them."""
        facts = {"directions": f"{len(self)} of {self.space}", "found by": self.origin or "unknown"}
        if self.layers is not None:
            facts["rows moved"] = ", ".join(map(str, self.layers))
        columns = {"score": self.scores.tolist()}
        if self.retained is not None:
            columns["kept norm"] = self.retained.tolist()
        numbers = zip(*columns.values(), strict=True)
        rows = [[self.label(index), *(f"{value:.4g}" for value in row)] for index, row in enumerate(numbers)]
        return facts_html("Directions", facts) + table_html(["direction", *columns], rows)

    def metadata(self) -> dict[str, Any]:
        """Return the JSON metadata of the file, with the provenance.

        Returns:
            Everything but `vectors` and `scores`, in values that fit into JSON.

        """
        return {
            "format": FORMAT,
            "space": self.space.as_json(),
            "layers": None if self.layers is None else list(self.layers),
            "kept": None if self.retained is None else [float(value) for value in self.retained],
            "attributes": None if self.attributes is None else list(self.attributes),
            **self.provenance,
        }

    def save(self, path: str | Path) -> None:
        """Write one file: safetensors with JSON metadata, or for ``.npy`` the vectors alone, as float32.

        A failed write leaves no partial file.

        Args:
            path: the file; its suffix chooses the format.

        Raises:
            OutputError: the file cannot be written.

        """
        path = Path(path)
        if path.suffix == ".npy":
            write_array(path, self.vectors.to(torch.float32).numpy())
        else:
            write_tensors(path, {"vectors": self.vectors, "scores": self.scores}, self.metadata())

    @classmethod
    def load(cls, path: str | Path, *, space: LatentSpace | None = None) -> Directions:
        """Read directions from a file of `save`, from a run folder, or from an array as other projects publish it.

        The rows of an ``.npy`` array, (k, dim) or (1, dim), are scaled to unit length. They are taken to be in `space`,
        or without it in a space named ``unknown``.

        Args:
            path: the file or the folder.
            space: the space that the directions must be in.

        Returns:
            The directions.

        Raises:
            DirectionsError: the file is missing, broken, holds no direction, or is of another space.

        """
        path = expand_home(path)
        if is_dir(path):
            path /= "directions.safetensors"
        try:
            directions = _from_array(path, space) if path.suffix == ".npy" else _from_tensors(path)
        except UnreadableError as error:
            raise DirectionsError(f"cannot read directions from {path}: {error}") from None
        except DirectionsError as error:
            raise DirectionsError(f"{path}: {error}") from None
        if len(directions) == 0:
            raise DirectionsError(f"{path} holds no direction")
        if directions.layers is not None and directions.space.layers == 1:
            raise DirectionsError(f"{path} names layers, but {directions.space} has a single row")
        if space is not None and directions.space != space:
            raise DirectionsError(
                f"{path} holds directions of {directions.space}, but the model's codes are in {space}"
            )
        return directions


def _from_array(path: Path, space: LatentSpace | None) -> Directions:
    """Scale the rows of a published array, (k, dim), (1, dim) or (dim,), to unit length."""
    array = read_array(path)
    if array.ndim not in {1, 2} or not array.size:
        raise UnreadableError(f"it holds an array of shape {array.shape}, not (k, dim)")
    rows = torch.from_numpy(np.atleast_2d(array).astype(np.float64))
    if space is not None and rows.shape[1] != space.dim:
        raise DirectionsError(f"directions of {rows.shape[1]} numbers, but the model's codes are in {space}")
    lengths = rows.norm(dim=1)
    if not bool(torch.isfinite(lengths).all()) or not bool((lengths > 0).all()):
        raise DirectionsError("a direction is zero or not finite")
    own_space = space or LatentSpace("unknown", rows.shape[1])
    return Directions(own_space, rows / lengths[:, None], lengths, provenance={"source": path.name})


def _from_tensors(path: Path) -> Directions:
    """Read a file of `Directions.save`, checking each part of its metadata."""
    tensors, metadata = read_tensors(path)
    if metadata.get("format") != FORMAT:
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
    own_keys = {"format", "space", "layers", "kept", "attributes"}
    provenance = {key: value for key, value in metadata.items() if key not in own_keys}
    return Directions(vectors=vectors, scores=scores, provenance=provenance, **fields)


def _read_fields(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the fields of `Directions` that the metadata holds; the caller handles what does not convert."""
    space = metadata["space"]
    layers = metadata["layers"]
    kept = metadata["kept"]
    attributes = metadata.get("attributes")
    return {
        "space": LatentSpace(str(space["name"]), int(space["dim"]), int(space["layers"])),
        "layers": None if layers is None else tuple(int(layer) for layer in layers),
        "retained": None if kept is None else torch.tensor([float(norm) for norm in kept], dtype=torch.float64),
        "attributes": None if attributes is None else tuple(str(name) for name in attributes),
    }
