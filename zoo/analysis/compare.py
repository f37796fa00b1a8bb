"""Comparing two sets of directions: nearest rows, principal angles of the spans, and pictures of both side by side."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from zoo._utils.html_repr import plain
from zoo._utils.progress import Progress, silent
from zoo.analysis.comparison import SHARES, Comparison, Pairs
from zoo.core.codes import Codes, LatentSpace, join
from zoo.core.directions import Directions
from zoo.core.files.codes import GivenCodes
from zoo.core.files.directions import GivenDirections, take_directions
from zoo.editing.fit import check_home
from zoo.editing.render import check_memory_limit, render_pixels
from zoo.editing.requests import CodesRequest, as_path
from zoo.editing.steps import visible_steps
from zoo.errors import DirectionsError, OptionError
from zoo.linalg.subspaces import find_nearest, span_basis
from zoo.linalg.symmetric import principal_angles, unit_rows
from zoo.models.limits import check_count
from zoo.models.model import Model
from zoo.models.tuned import recorded_weights

_MAX_ROWS = 1000

# Multiplications of one comparison: of every row with every other, and for a basis of the rows. It takes a minute.
_MAX_PRODUCTS = 2 * 10**10


class MismatchWarning(UserWarning):
    """Two sets of directions that are compared were found in different weights, or move different rows."""


def compare(
    a: GivenDirections,
    b: GivenDirections,
    *,
    model: Model | None = None,
    codes: GivenCodes | None = None,
    samples: int | None = None,
    seed: int | None = None,
    seeds: str | Sequence[int] | None = None,
    label: int | str | None = None,
    truncation: float | None = None,
    top: int = 10,
    read_as: str | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Compare two sets of directions: the nearest row of the other set for each row, and the angles of the spans.

    With a `model`, the first rows of A are shown beside their nearest ones of B, at the same codes, each moved until
    the change of the image is equally visible.

    Args:
        a: Directions, a file of them, a run folder, or an array.
        b: The same, of the same latent space.
        model: The model that renders pictures; None makes none.
        codes: The codes to show, a file or an array of them; None draws them.
        samples: How many codes to draw; None is 1.
        seed: The seed that they are drawn with; None is 0.
        seeds: Draw one code with each of these seeds instead, such as ``1,2,3`` or ``1-8``.
        label: The class of a conditional model, by name or index.
        truncation: The truncation of drawn codes, 0 (the mean) to 2.
        top: How many rows of A are shown.
        read_as: How to read files and arrays of directions whose shapes leave it open; see `Directions.load`.
        progress: Called while pictures are rendered.

    Returns:
        The comparison.

    Raises:
        DirectionsError: If the sets are of different spaces, or one has no direction.
        CodesError: If the codes cannot be read, or do not fit the model.
        OptionError: If another argument is out of range, or there would be too many pictures.
    """
    check_count("--top", top)
    first, second = _take_sides(a, b, None if model is None else model.adapter.space, read_as)
    _check_spaces(first, second)
    _warn_of_mismatches(first, second)
    first_rows, second_rows = _comparable(first, second)
    _check_work(first_rows, second_rows)
    first_basis, second_basis = span_basis(first_rows), span_basis(second_rows)
    comparison = Comparison(
        a=first,
        b=second,
        names=(_name(a, "A"), _name(b, "B")),
        nearest_of_a=find_nearest(first_rows, second_rows),
        nearest_of_b=find_nearest(second_rows, first_rows),
        angles=principal_angles(first_basis, second_basis).rad2deg(),
        ranks=(len(first_basis), len(second_basis)),
    )
    if model is None:
        return comparison
    for directions in (first, second):
        check_home(model, directions)
    request = CodesRequest(
        codes=as_path(codes), samples=samples, seed=seed, seeds=seeds, label=label, truncation=truncation
    )
    shown = request.take(model)
    rows = min(top, len(first))
    _check_size(model, rows, len(shown))
    return replace(comparison, pairs=Pairs(_render_pairs(comparison, model, shown, rows, progress), shown, model))


def _take_sides(
    a: GivenDirections, b: GivenDirections, space: LatentSpace | None, read_as: str | None
) -> tuple[Directions, Directions]:
    """Take both sets; without a model, an array of one side is read in the space that the other side names."""
    first, second = (take_directions(one, space, read_as) for one in (a, b))
    if _is_known(first.space) and not _is_known(second.space):
        second = take_directions(b, first.space, read_as)
    elif _is_known(second.space) and not _is_known(first.space):
        first = take_directions(a, second.space, read_as)
    return first, second


def _is_known(space: LatentSpace) -> bool:
    """Say whether a space has a name, or rows; the space of an array (k, dim) has neither."""
    return space.name != "unknown" or space.layers > 1


def _comparable(a: Directions, b: Directions) -> tuple[Tensor, Tensor]:
    """Return vectors (k, dim) of both, or (k, layers · dim) if one of them has a vector for each row of a code."""
    if a.vectors.ndim == b.vectors.ndim == 2:
        return a.vectors, b.vectors
    return unit_rows(a.by_row().flatten(1)), unit_rows(b.by_row().flatten(1))


def _name(given: GivenDirections, otherwise: str) -> str:
    if isinstance(given, Directions):
        return given.origin or otherwise
    return (Path(given).name or str(given)) if isinstance(given, str | Path) else otherwise


def _check_spaces(a: Directions, b: Directions) -> None:
    if not len(a) or not len(b):
        raise DirectionsError("a set without a direction cannot be compared")
    has_rows = 3 in {a.vectors.ndim, b.vectors.ndim}
    if (
        a.space.dim != b.space.dim
        or (has_rows and a.space.layers != b.space.layers)
        or (_both_spaces_known(a, b) and a.space != b.space)
    ):
        raise DirectionsError(f"directions of {a.space} cannot be compared with directions of {b.space}")


def _check_work(first: Tensor, second: Tensor) -> None:
    """Raise `OptionError` for so many directions that comparing them would take very long."""
    counts, dim = (len(first), len(second)), first.shape[1]
    if max(counts[0] * counts[1], *(count * min(count, dim) for count in counts)) * dim > _MAX_PRODUCTS:
        raise OptionError(
            f"{counts[0]:,} and {counts[1]:,} directions of {dim:,} numbers are too many to compare: take fewer of each"
        )


def _both_spaces_known(a: Directions, b: Directions) -> bool:
    """Say whether both sets name their space; rows of an array do not."""
    return "unknown" not in {a.space.name, b.space.name}


def _warn_of_mismatches(a: Directions, b: Directions) -> None:
    """Warn where equal directions would not be equal edits."""
    weights = [recorded_weights(one.provenance) for one in (a, b)]
    if all(weights) and weights[0] != weights[1]:
        models = " and ".join(plain(one.provenance.get("model", "another model")) for one in (a, b))
        warnings.warn(f"the two sets were found in different weights: {models}", MismatchWarning, stacklevel=3)
    if _both_spaces_known(a, b) and a.layers != b.layers:
        rows = " and ".join("all rows" if one.layers is None else f"rows {list(one.layers)}" for one in (a, b))
        warnings.warn(f"the two sets move different rows of a code: {rows}", MismatchWarning, stacklevel=3)


def _check_size(model: Model, rows: int, codes: int) -> None:
    if rows * codes > _MAX_ROWS:
        raise OptionError(f"{rows * codes:,} rows of pictures are too many, at most {_MAX_ROWS:,}: take fewer codes")
    count = rows * codes * 2 * len(SHARES)
    bytes_each = model.adapter.channels * math.prod(model.adapter.resolution)
    check_memory_limit(model, count, bytes_each, "codes or a smaller --top")


def _render_pairs(comparison: Comparison, model: Model, codes: Codes, rows: int, progress: Progress) -> Tensor:
    """Render rows of A and their nearest ones of B: (rows, codes, 2, shares, h, w, channels) uint8."""
    adapter, nearest = model.adapter, comparison.nearest_of_a
    # the nearest ones, with the signs that make their cosines positive
    signed = zip(nearest.signs, comparison.b.vectors[nearest.indices], strict=True)
    matched = torch.stack([sign * vector for sign, vector in signed])
    sides = [(comparison.a.vectors[:rows], comparison.a.layers), (matched[:rows], comparison.b.layers)]
    region = model.region("all")
    moved = []
    for index in range(len(codes)):
        for side, (vectors, layers) in enumerate(sides):
            progress(2 * index + side, 2 * len(codes), "choosing strengths")
            code = codes[index]
            steps = visible_steps(adapter, code, vectors, region, layers)
            deltas = [
                (step * vector).to(adapter.device, adapter.dtype) for step, vector in zip(steps, vectors, strict=True)
            ]
            moved += [adapter.move(code, share * delta, layers) for delta in deltas for share in SHARES]
    progress(2 * len(codes), 2 * len(codes), "choosing strengths")
    pixels = render_pixels(model, join(moved), progress)
    return pixels.view(len(codes), 2, rows, len(SHARES), *pixels.shape[1:]).permute(2, 0, 1, 3, 4, 5, 6)
