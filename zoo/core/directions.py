"""Directions: what every analyzer returns, and the file that they are kept in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo._utils.html_repr import facts_html, plain, table_html
from zoo._utils.indexing import chosen_of
from zoo._utils.paths import expand_home
from zoo._utils.tensorfile import write_array, write_tensors
from zoo.core.codes import LatentSpace
from zoo.core.moves import Move, Term
from zoo.errors import DirectionsError, OptionError, unknown_name

FORMAT = "zoo-directions/1"

# How far the length of a vector may be from 1; files may hold float32.
_UNIT_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Directions:
    """Unit directions of a latent space, strongest first. All tensors are float64 on the CPU.

    Analyses return vectors (k, dim), which move several rows of a code alike. Directions of other projects may have a
    vector for each row, (k, layers, dim); the rows that such a direction moves have a root mean square length of 1, so
    that a step moves a code as far as with the same vector in each of these rows.

    Indexing gives fewer directions: ``directions[0]``, ``directions[2:5]``, ``directions[[4, 0]]``, or
    ``directions["hair_colour"]`` by the attribute of one.

    Attributes:
        space: the latent space.
        vectors: (k, dim) unit rows, or (k, layers, dim).
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
        lengths = measure_lengths(self.vectors)
        if len(self) and float((lengths - 1).abs().max()) > _UNIT_TOLERANCE:
            raise DirectionsError(
                f"directions are unit rows, but one has length {float(lengths[(lengths - 1).abs().argmax()]):.4g}"
            )

    def _check_shapes(self) -> None:
        if tuple(self.vectors.shape[1:]) not in {(self.space.dim,), self.space.shape}:
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

    def __getitem__(self, index: int | slice | str | Iterable[int]) -> Directions:
        chosen = chosen_of(self._find_attribute(index) if isinstance(index, str) else index, len(self), "direction")
        return replace(
            self,
            vectors=self.vectors[chosen],
            scores=self.scores[chosen],
            retained=None if self.retained is None else self.retained[chosen],
            attributes=None if self.attributes is None else tuple(self.attributes[one] for one in chosen),
        )

    def _find_attribute(self, name: str) -> int:
        known = self.attributes or ()
        if known.count(name) != 1:
            raise (
                unknown_name("single direction", name, known)
                if name not in known
                else DirectionsError(
                    f"{known.count(name)} directions have the attribute {name}: choose one by its index"
                )
            )
        return known.index(name)

    def by_row(self) -> Tensor:
        """Return what each direction adds to each row of a code.

        Returns:
            (k, layers, dim), with zeros in rows that are not moved.

        """
        vectors = self.vectors if self.vectors.ndim == 3 else self.vectors[:, None].expand(-1, self.space.layers, -1)
        rows = torch.zeros(self.space.layers, 1, dtype=vectors.dtype)
        rows[slice(None) if self.layers is None else list(self.layers)] = 1
        return vectors * rows

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
        return self[:count]

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

        The array is (k, dim). Directions that move only some rows of a code become (k, layers, dim), with zeros in the
        other rows. A failed write leaves no partial file.

        Args:
            path: the file; its suffix chooses the format.

        Raises:
            OutputError: the file cannot be written.

        """
        path = Path(path)
        if path.suffix == ".npy":
            vectors = self.vectors if self.layers is None else self.by_row()
            write_array(path, vectors.to(torch.float32).numpy())
        else:
            write_tensors(path, {"vectors": self.vectors, "scores": self.scores}, self.metadata())

    @classmethod
    def load(cls, path: str | Path, *, space: LatentSpace | None = None, read_as: str | None = None) -> Directions:
        """Read directions from a file of `save`, from a run folder, or from a file of another project.

        That is an ``.npy`` or ``.npz`` file of numpy, safetensors, a torch file or a pickle, of which nothing is
        executed. ``FILE#NAME`` is one array of several. An array is (k, dim), or (k, layers, dim) with a vector for
        each row of a code; each direction is scaled to unit length. Arrays are taken to be in `space`, or without it in
        a space named ``unknown``.

        Args:
            path: the file or the folder.
            space: the space that the directions must be in.
            read_as: how to read an array whose shape leaves it open: ``rows`` for a single direction with a vector
                for each row of a code, (layers, dim); ``directions`` for a direction in each row of the array;
                ``columns`` for one in each column. None raises an error for such an array.

        Returns:
            The directions.

        Raises:
            DirectionsError: the file is missing, broken, holds no direction, is of another space, or can be read in
                several ways.
            OptionError: there is no such reading.

        """
        from zoo.core.files.directions import load_directions

        return load_directions(expand_home(path), space, read_as)


def measure_lengths(vectors: Tensor) -> Tensor:
    """Measure directions, whose length is that of their rows.

    Args:
        vectors: (k, dim), or (k, layers, dim).

    Returns:
        (k,): the norms, or the root mean squares of the norms of the rows that are not zero.

    """
    norms: Tensor = vectors.norm(dim=-1)
    if norms.ndim == 2:
        moved = (norms > 0).sum(dim=1).clamp(min=1)
        norms = (norms.square().sum(dim=1) / moved).sqrt()
    return norms
