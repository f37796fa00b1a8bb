"""Directions: what every analysis returns, and the file that keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo._utils.files import is_dir
from zoo._utils.html_repr import facts_html, plain, table_html
from zoo._utils.tensorfile import UnreadableError, read_array, read_tensors, write_array, write_tensors
from zoo.core.codes import LatentSpace
from zoo.errors import DirectionsError, OptionError

FORMAT = "zoo-directions/1"


@dataclass(frozen=True, eq=False)
class Directions:
    """Unit directions of a latent space, strongest first.

    `vectors` (k, dim) unit rows; `scores` (k,), whose meaning is the analyzer's; `layers` the rows that were moved, or
    None for all (or where the space has one row only); `kept` (k,) the share of each direction that survived a
    projection, or None; `provenance` a JSON-able record of how they came about; `attributes` (k,) what each direction
    changes more of, where the analysis was told and did not find out, or None. All float64, on the CPU.
    Raises `DirectionsError` unless shapes agree, numbers are finite and rows have unit length.
    """

    space: LatentSpace
    vectors: Tensor
    scores: Tensor
    layers: tuple[int, ...] | None = None
    kept: Tensor | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    attributes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("vectors", "scores", "kept"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, value.detach().to("cpu", torch.float64))
        if self.vectors.ndim != 2 or self.vectors.shape[1] != self.space.dim:
            raise DirectionsError(
                f"directions of {self.space} have shape (k, {self.space.dim}), not {tuple(self.vectors.shape)}"
            )
        for name, value in (("scores", self.scores), ("kept", self.kept)):
            if value is not None and tuple(value.shape) != (len(self),):
                raise DirectionsError(
                    f"{name} of {len(self)} directions have shape ({len(self)},), not {tuple(value.shape)}"
                )
        if self.attributes is not None and len(self.attributes) != len(self):
            raise DirectionsError(f"{len(self)} directions have {len(self)} attributes, not {len(self.attributes)}")
        if not bool(torch.isfinite(self.vectors).all()) or bool(torch.isnan(self.scores).any()):
            raise DirectionsError("directions hold numbers that are not finite")
        lengths = self.vectors.norm(dim=1)
        if len(self) and float((lengths - 1).abs().max()) > 1e-4:
            raise DirectionsError(
                f"directions are unit rows, but one has length {float(lengths[(lengths - 1).abs().argmax()]):.4g}"
            )

    def __len__(self) -> int:
        return len(self.vectors)

    def move(self, index: int, weight: float = 1.0, *, name: str | None = None) -> Move:
        """Make a move of `weight` times one direction; moves add up to one along several directions.

        `name` is what pictures call the direction. Raises `DirectionsError` for an index that is not there, and
        `OptionError` for a weight that is not finite.
        """
        if not 0 <= index < len(self):
            raise DirectionsError(f"no direction {index}: the file holds 0 to {len(self) - 1}")
        if not abs(weight) < float("inf"):
            raise OptionError(f"weight {weight} of direction {index}: it must be a finite number")
        return Move((Term(self, index, weight, self.layers, name or f"{self._title} {self.label(index)}"),))

    def label(self, index: int) -> str:
        """Name a direction as tables do: by its index, and by its attribute if it has one."""
        return str(index) if self.attributes is None else f"{index} {plain(self.attributes[index])}"

    def take(self, count: int) -> Directions:
        """Keep the first `count` directions."""
        kept = None if self.kept is None else self.kept[:count]
        attributes = None if self.attributes is None else self.attributes[:count]
        return replace(self, vectors=self.vectors[:count], scores=self.scores[:count], kept=kept, attributes=attributes)

    def with_provenance(self, **entries: Any) -> Directions:
        """Add entries to the record."""
        return replace(self, provenance={**self.provenance, **entries})

    @property
    def origin(self) -> str:
        """Say in a few words where the directions came from, as far as the record tells; empty if it does not."""
        told = {key: plain(value) for key, value in self.provenance.items() if isinstance(value, str)}
        if "analyzer" not in told:
            return told.get("source", "")
        return f"{told['analyzer']} of {told.get('model', 'an unknown model')}, region {told.get('region', 'unknown')}"

    @property
    def _title(self) -> str:
        """What pictures call a direction, before its number: the region that it was found for, where there is one."""
        region = self.provenance.get("region", "all")
        return plain(region) if isinstance(region, str) and region != "all" else "direction"

    def __repr__(self) -> str:
        return ", ".join(filter(None, (f"Directions({len(self)} of {self.space}", self.origin))) + ")"

    def _repr_html_(self) -> str:
        """Show a notebook the record in short, and the leading directions."""
        facts = {"directions": f"{len(self)} of {self.space}", "found by": self.origin or "unknown"}
        if self.layers is not None:
            facts["rows moved"] = ", ".join(map(str, self.layers))
        columns = {"score": self.scores.tolist()}
        if self.kept is not None:
            columns["kept norm"] = self.kept.tolist()
        figures = zip(*columns.values(), strict=True)
        rows = [[self.label(index), *(f"{value:.4g}" for value in row)] for index, row in enumerate(figures)]
        return facts_html("Directions", facts) + table_html(["direction", *columns], rows)

    def card(self) -> dict[str, Any]:
        """Return the JSON card that goes into the file."""
        return {
            "format": FORMAT,
            "space": self.space.as_json(),
            "layers": None if self.layers is None else list(self.layers),
            "kept": None if self.kept is None else [float(value) for value in self.kept],
            "attributes": None if self.attributes is None else list(self.attributes),
            **self.provenance,
        }

    def save(self, path: str | Path) -> None:
        """Write one file, whole or not at all: safetensors with a JSON card, or the bare vectors for ``.npy``.

        Raises `OutputError`.
        """
        path = Path(path)
        if path.suffix == ".npy":
            write_array(path, self.vectors.to(torch.float32).numpy())
        else:
            write_tensors(path, {"vectors": self.vectors, "scores": self.scores}, self.card())

    @classmethod
    def load(cls, path: str | Path, *, space: LatentSpace | None = None) -> Directions:
        """Read directions from a file of `save`, a run folder, or a published ``.npy`` array (k, dim) or (1, dim).

        Rows of an ``.npy`` array are scaled to unit length and belong to `space`, or to a space ``unknown`` of their
        dimension. Raises `DirectionsError` for a file that is missing, broken, or of another space than `space`.
        """
        path = Path(path)
        if is_dir(path):
            path /= "directions.safetensors"
        try:
            found = _from_array(path, space) if path.suffix == ".npy" else _from_tensors(path)
        except UnreadableError as error:
            raise DirectionsError(f"cannot read directions from {path}: {error}") from None
        except DirectionsError as error:
            raise DirectionsError(f"{path}: {error}") from None
        if len(found) == 0:
            raise DirectionsError(f"{path} holds no direction")
        if found.layers is not None and found.space.layers == 1:
            raise DirectionsError(f"{path} names layers, but {found.space} has a single row")
        if space is not None and found.space != space:
            raise DirectionsError(f"{path} holds directions of {found.space}, but the model's codes are in {space}")
        return found


@dataclass(frozen=True, eq=False)
class Term:
    """One direction of a move: `weight` times row `index` of `directions`, in the rows `layers` of a code."""

    directions: Directions
    index: int
    weight: float
    layers: tuple[int, ...] | None
    name: str

    def __str__(self) -> str:
        """Name the direction and how much of it, but not the sign of that."""
        name = plain(self.name)
        return name if abs(self.weight) == 1 else f"{abs(self.weight):g} * {name}"


@dataclass(frozen=True, eq=False)
class Move:
    """A weighted sum of directions, of one file or of several: what a code is moved along, all of it in proportion.

    `Directions.move` makes one of a single direction, and ``+`` adds them: ``mouth.move(0) + eyes.move(2, -1.5)``.
    """

    terms: tuple[Term, ...]

    def __add__(self, other: Move) -> Move:
        return Move(self.terms + other.terms)

    def in_layers(self, layers: Sequence[int]) -> Move:
        """Make every direction act on the rows `layers` instead of those that it was found for."""
        return Move(tuple(replace(term, layers=tuple(layers)) for term in self.terms))

    def __str__(self) -> str:
        text = "".join(f" {'-' if term.weight < 0 else '+'} {term}" for term in self.terms)
        return text.removeprefix(" + ").lstrip()

    def __repr__(self) -> str:
        return f"Move({self})"


def _from_array(path: Path, space: LatentSpace | None) -> Directions:
    """Take the rows of a published array: (k, dim), (1, dim) or (dim,)."""
    array = read_array(path)
    if array.ndim not in {1, 2} or not array.size:
        raise UnreadableError(f"it holds an array of shape {array.shape}, not (k, dim)")
    rows = torch.from_numpy(np.atleast_2d(array).astype(np.float64))
    if space is not None and rows.shape[1] != space.dim:
        raise DirectionsError(f"directions of {rows.shape[1]} numbers, but the model's codes are in {space}")
    lengths = rows.norm(dim=1)
    if not bool(torch.isfinite(lengths).all()) or not bool((lengths > 0).all()):
        raise DirectionsError("a direction is zero or not finite")
    home = space or LatentSpace("unknown", rows.shape[1])
    return Directions(home, rows / lengths[:, None], lengths, provenance={"source": path.name})


def _from_tensors(path: Path) -> Directions:
    """Take a file of `Directions.save`, its card checked part by part."""
    tensors, card = read_tensors(path)
    if card.get("format") != FORMAT:
        raise DirectionsError(f"it is not a directions file: its card is not of format {FORMAT}")
    try:
        space = LatentSpace(str(card["space"]["name"]), int(card["space"]["dim"]), int(card["space"]["layers"]))
        layers = None if card["layers"] is None else tuple(int(layer) for layer in card["layers"])
        shares = None if card["kept"] is None else [float(value) for value in card["kept"]]
        kept = None if shares is None else torch.tensor(shares, dtype=torch.float64)
        attributes = None if card.get("attributes") is None else tuple(str(name) for name in card["attributes"])
        vectors, scores = tensors["vectors"], tensors["scores"]
    except KeyError as error:
        raise UnreadableError(f"{error} is missing") from None
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise UnreadableError(f"its card is wrong: {error}") from None
    if not {vectors.dtype, scores.dtype} <= {torch.float32, torch.float64}:
        raise UnreadableError("vectors and scores must be float32 or float64 numbers")
    own = {"format", "space", "layers", "kept", "attributes"}
    provenance = {key: value for key, value in card.items() if key not in own}
    return Directions(space, vectors, scores, layers, kept, provenance, attributes)
