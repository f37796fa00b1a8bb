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
from zoo._utils.naming import find_name, origin_of, renamed, title_of
from zoo._utils.paths import expand_home
from zoo.core.codes import LatentSpace
from zoo.core.moves import Move, Term, measure_lengths
from zoo.errors import DirectionsError, OptionError

# How far the length of a vector may be from 1; files may hold float32.
_UNIT_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Directions:
    """Unit directions of a latent space, strongest first. All tensors are float64 on the CPU.

    Most analyses return vectors (k, dim), which move several rows of a code alike. Other directions may have a vector
    for each row, (k, layers, dim); the rows that such a direction moves have a root mean square length of 1, so that a
    step moves a code as far as with the same vector in each of these rows.

    Indexing gives fewer directions: ``directions[0]``, ``directions[2:5]``, ``directions[[4, 0]]``, or
    ``directions["smile"]`` by the name of one; see `index_of`.

    Attributes:
        space: the latent space.
        vectors: (k, dim) unit rows, or (k, layers, dim).
        scores: (k,), in descending order; their meaning is the analyzer's.
        layers: the rows of the code that the directions move; None for all, and in a space with a single row.
        retained: (k,), from 0 to 1: the norm that each unit direction retained in a projection, or None where nothing
            was projected. In files this is called ``kept``.
        provenance: how the directions came about, in values that fit into JSON.
        attributes: (k,) the attribute that each direction increases; None where no attributes were asked for.
        given_names: (k,) the name that somebody gave each direction, empty for none; None where no direction has one.

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
    given_names: tuple[str, ...] | None = None

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
        for name, numbers in (("scores", self.scores), ("kept norms", self.retained)):
            if numbers is not None and tuple(numbers.shape) != (len(self),):
                raise DirectionsError(
                    f"{name} of {len(self)} directions have shape ({len(self)},), not {tuple(numbers.shape)}"
                )
        for name, texts in (("attributes", self.attributes), ("names", self.given_names)):
            if texts is not None and len(texts) != len(self):
                raise DirectionsError(f"{len(self)} directions have {len(self)} {name}, not {len(texts)}")

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: int | slice | str | Iterable[int]) -> Directions:
        chosen = chosen_of(self.index_of(index) if isinstance(index, str) else index, len(self), "direction")
        return replace(
            self,
            vectors=self.vectors[chosen],
            scores=self.scores[chosen],
            retained=None if self.retained is None else self.retained[chosen],
            attributes=None if self.attributes is None else tuple(self.attributes[one] for one in chosen),
            given_names=None if self.given_names is None else tuple(self.given_names[one] for one in chosen),
        )

    def index_of(self, name: str) -> int:
        """Find a direction by the name that it was given, else its attribute, else its suggested name.

        Args:
            name: the name.

        Returns:
            The index of the direction.

        Raises:
            UnknownNameError: no direction has that name.
            DirectionsError: several directions have it.
        """
        return find_name(name, len(self), (self.given_names or (), self.attributes or (), self.suggested_names))

    @property
    def suggested_names(self) -> tuple[str, ...]:
        """The attribute that the analysis suggested to name each measured direction after, empty for none."""
        recorded = self.provenance.get("names")
        effects = recorded[: len(self)] if isinstance(recorded, list) else []
        return tuple(str(one.get("attribute", "")) if isinstance(one, dict) else "" for one in effects)

    def with_name(self, index: int, name: str) -> Directions:
        """Give a direction a name, or take it away.

        Args:
            index: which direction, counted from 0.
            name: at most 60 characters, without digits in front, commas, colons and =; empty for none.

        Returns:
            The same directions, of which one has another name.

        Raises:
            DirectionsError: there is no such direction, another one has that name, or it cannot be a name.
        """
        return replace(self, given_names=renamed(self.given_names or ("",) * len(self), index, name))

    def by_row(self) -> Tensor:
        """Return what each direction adds to each row of a code.

        Returns:
            (k, layers, dim), with zeros in rows that are not moved.
        """
        vectors = self.vectors if self.vectors.ndim == 3 else self.vectors[:, None].expand(-1, self.space.layers, -1)
        rows = torch.zeros(self.space.layers, 1, dtype=vectors.dtype)
        rows[slice(None) if self.layers is None else list(self.layers)] = 1
        return vectors * rows

    def move(self, index: int | str, weight: float = 1.0, *, name: str | None = None) -> Move:
        """Make a move along one direction. Moves can be added.

        Args:
            index: which direction, counted from 0, or its name; see `index_of`.
            weight: what the unit direction is multiplied by.
            name: what the direction is called in images; by default its region and index.

        Returns:
            The move.

        Raises:
            DirectionsError: there is no such direction.
            UnknownNameError: no direction has that name.
            OptionError: the weight is not finite.
        """
        index = self.index_of(index) if isinstance(index, str) else index
        if not 0 <= index < len(self):
            raise DirectionsError(f"no direction {index}: the file holds 0 to {len(self) - 1}")
        if not abs(weight) < float("inf"):
            raise OptionError(f"weight {weight} of direction {index}: it must be a finite number")
        return Move(
            (Term(self, index, weight, self.layers, name or f"{title_of(self.provenance)} {self.label(index)}"),)
        )

    def label(self, index: int) -> str:
        """Return how tables name a direction.

        Args:
            index: which direction, counted from 0.

        Returns:
            Its index, followed by the name that it was given, or else by its attribute if it has one.
        """
        given = self.given_names[index] if self.given_names else ""
        name = given or (self.attributes[index] if self.attributes else "")
        return f"{index} {plain(name)}" if name else str(index)

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
        return origin_of(self.provenance)

    def __repr__(self) -> str:
        return ", ".join(filter(None, (f"Directions({len(self)} of {self.space}", self.origin))) + ")"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: where the directions are from, and a table of them."""
        facts = {"directions": f"{len(self)} of {self.space}", "found by": self.origin or "unknown"}
        if self.layers is not None:
            facts["rows moved"] = ", ".join(map(str, self.layers))
        columns = {"score": self.scores} | ({} if self.retained is None else {"kept norm": self.retained})
        numbers = zip(*(column.tolist() for column in columns.values()), strict=True)
        rows = [[self.label(index), *(f"{value:.4g}" for value in row)] for index, row in enumerate(numbers)]
        return facts_html("Directions", facts) + table_html(["direction", *columns], rows)

    def metadata(self) -> dict[str, Any]:
        """Return the JSON metadata of the file, with the provenance.

        Returns:
            Everything but `vectors` and `scores`, in values that fit into JSON.
        """
        from zoo.core.files.directions import metadata_of

        return metadata_of(self)

    def save(self, path: str | Path) -> None:
        """Write one file: safetensors with JSON metadata, or for ``.npy`` the vectors alone, as float32.

        An array is (k, dim); of directions that move some rows of a code, (k, layers, dim) with zeros in the others.

        Args:
            path: the file; its suffix chooses the format.

        Raises:
            OutputError: the file cannot be written.
        """
        from zoo.core.files.directions import save_directions

        save_directions(Path(path), self)

    @classmethod
    def from_array(cls, array: Any, *, space: LatentSpace | None = None, read_as: str | None = None) -> Directions:
        """Take an array of another project; each direction is scaled to unit length.

        Args:
            array: numbers (k, dim), or (k, layers, dim) with a vector for each row of a code; of numpy, torch or lists.
            space: the space that they are in; None is one named ``unknown``, as large as the array says.
            read_as: how to read a shape that leaves it open; see `load`.

        Returns:
            The directions.

        Raises:
            DirectionsError: the array does not fit the space, or can be read in several ways.
            OptionError: it is nothing of numbers, or there is no such reading.
        """
        from zoo.core.files.directions import directions_from_array

        return directions_from_array(array, space, read_as)

    @classmethod
    def load(cls, path: str | Path, *, space: LatentSpace | None = None, read_as: str | None = None) -> Directions:
        """Read directions from a file of `save`, a run folder, ``hf://owner/name``, or a file of another project.

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
