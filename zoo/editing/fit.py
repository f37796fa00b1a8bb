"""Whether directions, their region and rows fit a model whose codes they shall move."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from zoo._utils.html_repr import plain
from zoo.core.directions import Directions
from zoo.core.layers import resolve_layers
from zoo.core.region import Region
from zoo.errors import DirectionsError, LayersError, RegionError, ZooError
from zoo.models.model import Model
from zoo.models.tuned import recorded_weights


class OtherModelWarning(UserWarning):
    """Directions found in one model are used in another one whose space looks the same."""


def rows_to_move(model: Model, layers: str | Sequence[int] | None) -> tuple[int, ...] | None:
    """Read the rows of a code that directions shall move.

    Args:
        model: The model.
        layers: Text such as ``4-7`` or ``coarse``, or indices; None leaves each direction its own rows.

    Returns:
        The rows, or None.

    Raises:
        LayersError: If `layers` are not rows of the model's codes, or these have a single row.
    """
    space = model.adapter.space
    if layers is not None and space.layers == 1:
        raise LayersError(f"--layers: {model.name} has a single row of {space}; leave it out")
    return resolve_layers(layers, space.layers, model.adapter.layer_names())


def region_of_directions(model: Model, directions: Directions, text: str | None = None) -> Region:
    """Read the region that directions were found for, or another one.

    Args:
        model: The model whose images it is a part of.
        directions: The directions; they record a region, else it is the whole image.
        text: The region that was asked for instead; None takes the recorded one.

    Returns:
        The region, at the model's resolution.

    Raises:
        RegionError: If the recorded region cannot be read here: it is a mask, which a file of directions may not open,
            or the model has none of that name or size. Nothing is put in its place.
        ZooError: If `text` cannot be read.
    """
    if text is not None:
        return model.region(text)
    try:
        return model.region(directions.provenance.get("region", "all"), opens_files=False)
    except ZooError as error:
        raise RegionError(f"the region of these directions cannot be read ({error}): pass --region") from None


def check_home(model: Model, directions: Directions) -> None:
    """Refuse directions of another space, and warn of directions that were found in other weights.

    Args:
        model: The model whose codes shall be moved.
        directions: The directions.

    Raises:
        DirectionsError: If the directions are of another space.
    """
    home, space = directions.space, model.adapter.space
    fits = home.dim == space.dim and home.layers in {1, space.layers}
    if home != space and (home.name != "unknown" or not fits):
        raise DirectionsError(f"directions of {home} cannot move codes of {space}")
    shape = directions.provenance.get("shape")
    if home.name == "unknown" and "read_as" not in directions.provenance and shape == list(space.shape) != [space.dim]:
        raise DirectionsError(
            f"{directions.origin} holds {home.dim} numbers in each of {space.layers} rows, and the codes are {space}: "
            "load it with space=model.adapter.space, and read_as='rows' or read_as='directions'"
        )
    found = recorded_weights(directions.provenance)
    if found and found != model.weights:
        other = plain(directions.provenance.get("model", "another model"))
        if found.get("weights_sha256") != model.weights_sha256:
            differs = f"{other}, from other weights than those of {model.name}"
        elif model.tuned_sha256 is None:
            differs = f"{other} with tuned weights, and it is opened without them"
        else:
            tuned = "with other tuned weights" if "tuned_sha256" in found else "before its weights were tuned"
            differs = f"{other} {tuned}"
        warnings.warn(f"these directions were found in {differs}", OtherModelWarning, stacklevel=3)
