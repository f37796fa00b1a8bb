"""Moving codes along directions: what is asked, checked and put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo._utils.progress import Progress, silent
from zoo.core.codes import join
from zoo.core.files.codes import GivenCodes
from zoo.core.files.directions import GivenDirections
from zoo.core.moves import Move, homes_of
from zoo.editing.edited import Edit
from zoo.editing.fit import check_home, region_of_directions, rows_to_move
from zoo.editing.move_list import list_moves
from zoo.editing.onto.record import Photograph, find_photographs
from zoo.editing.requests import CodesRequest, as_path
from zoo.errors import OptionError
from zoo.models.model import Model

# How many codes are drawn unless a number is given.
USUAL_CODES = 4

# How many pictures stand side by side.
MOST_STRENGTHS = 32


def edit(
    model: Model,
    directions: GivenDirections | Move | Sequence[Move],
    *,
    down: Move | None = None,
    codes: GivenCodes | None = None,
    samples: int | None = None,
    seed: int | None = None,
    seeds: str | Sequence[int] | None = None,
    label: int | str | None = None,
    truncation: float | None = None,
    indices: Sequence[int] | None = None,
    strengths: Sequence[float] = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0),
    layers: str | Sequence[int] | None = None,
    read_as: str | None = None,
    onto: str | Path | Sequence[str | Path | Photograph] = (),
    region: str | None = None,
    progress: Progress = silent,
) -> Edit:
    """Move codes along directions, at several strengths.

    Args:
        model: The model.
        directions: Directions of one analysis, a file of them, a run folder, or an array (k, dim), or (k, layers, dim)
            with a vector for each row of a code; or moves. A move ``mouth.move(0) + eyes.move(2, -1.5)`` goes along
            several directions in proportion.
        down: A second move, for a grid: `directions` is then a single move across, and every pair of strengths is
            rendered.
        codes: The codes, a file or an array of them; None draws them.
        samples: How many codes to draw; None is 4.
        seed: The seed that they are drawn with; None is 0.
        seeds: Draw one code with each of these seeds instead, such as ``1,2,3`` or ``1-8``.
        label: The class of a conditional model, by name or index.
        truncation: The truncation of drawn codes, 0 (the mean) to 2.
        indices: Which of the directions are shown, each on its own; None is the first.
        strengths: Steps in units of the unit direction.
        layers: The rows of the code that are moved; None is those that each direction was found for.
        read_as: How to read a file or an array of directions whose shape leaves it open; see `Directions.load`.
        onto: Photographs whose codes ``zoo project`` found. The change is carried over to them, in their own size;
            `codes` is then the run folder of the projection, and only their codes are moved.
        region: Where photographs may change, such as ``mouth``; None is the region that the directions were found for.
        progress: Called after each batch of `Edit.images`.

    Returns:
        The edit; its images are made when they are looked at or saved.

    Raises:
        DirectionsError: If directions are of another space, or an index is not there.
        LayersError: If `layers` are not rows of the code.
        CodesError: If the codes cannot be read, or do not fit the model.
        RegionError: If the region cannot be read, where there are photographs.
        OptionError: If another argument is out of range, or a photograph was not projected.
    """
    if not isinstance(model, Model):
        raise OptionError(f"model: it is what zoo.load returns, not {type(model).__name__}")
    rows = rows_to_move(model, layers)
    steps = _checked_strengths(strengths)
    moves = list_moves(directions, indices, model.adapter.space, read_as)
    if down is not None and len(moves) != 1:
        raise OptionError(f"a grid has one move across and one down, but {len(moves)} were to run across")
    check_region(region, onto)
    for home in homes_of(moves if down is None else [*moves, down]):
        check_home(model, home)
        if onto:
            region_of_directions(model, home, region)
    if rows is not None:
        moves = [move.in_layers(rows) for move in moves]
        down = None if down is None else down.in_layers(rows)
    request = CodesRequest(
        codes=as_path(codes),
        samples=samples,
        seed=seed,
        seeds=seeds,
        label=label,
        truncation=truncation,
        usual=USUAL_CODES,
    )
    found = find_photographs(codes, [onto] if isinstance(onto, str | Path) else onto)
    taken = request.take(model)
    if found:
        taken = join([taken[one.index] for one in found])
    return Edit(taken, tuple(moves), steps, model, down, progress, tuple(one.open() for one in found), region)


def check_region(region: str | None, onto: object) -> None:
    """Refuse a region where nothing is carried over to photographs.

    Args:
        region: The region, or None.
        onto: The photographs; empty without any.

    Raises:
        OptionError: If there is a region, but no photograph.
    """
    if region is not None and not onto:
        raise OptionError("--region: it says where --onto changes the photograph: pass that too, or leave it out")


def _checked_strengths(strengths: Sequence[float]) -> tuple[float, ...]:
    if not strengths or not all(abs(strength) < float("inf") for strength in strengths):
        raise OptionError("--strengths: at least one finite number is needed")
    if len(strengths) > MOST_STRENGTHS:
        raise OptionError(f"--strengths: {len(strengths)} are too many to show side by side, at most {MOST_STRENGTHS}")
    return tuple(strengths)
