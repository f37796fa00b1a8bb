"""Some directions of a result, with the names that a person gave them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zoo.core.directions import Directions
from zoo.editing.measured import ENTRY as MEASURED
from zoo.errors import OptionError

# What is recorded of directions by their indices, which are others in a selection.
_BY_INDEX = ("locality", "repeats", "redundancy", "names", MEASURED)


def select(directions: Directions, chosen: list[int], rows: dict[int, dict[str, Any]]) -> Directions:
    """Take some directions, which get the names that they were given.

    Args:
        directions: All directions of a result.
        chosen: The indices of those that are taken.
        rows: What the page is told of each, by its index.

    Returns:
        The directions, without what was recorded of them by their former indices.

    Raises:
        OptionError: If there is no such direction.
    """
    wrong = [index for index in chosen if not 0 <= index < len(directions)]
    if wrong:
        raise OptionError(f"there is no direction {wrong[0]}: the result holds 0 to {len(directions) - 1}")
    names = [rows.get(index, {}).get("given") for index in chosen]
    suggested = [rows.get(index, {}).get("name") for index in chosen]
    called = [
        given or name or f"direction {index}" for given, name, index in zip(names, suggested, chosen, strict=True)
    ]
    kept = {key: value for key, value in directions.provenance.items() if key not in _BY_INDEX}
    return replace(
        directions,
        vectors=directions.vectors[chosen],
        scores=directions.scores[chosen],
        retained=None if directions.retained is None else directions.retained[chosen],
        attributes=tuple(called) if any(names) or directions.attributes is not None else None,
        provenance={**kept, "indices": chosen},
    )
