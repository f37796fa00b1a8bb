"""Some directions of a result."""

from __future__ import annotations

from dataclasses import replace

from zoo.core.directions import Directions
from zoo.editing.measured import ENTRY as MEASURED
from zoo.errors import OptionError

# What is recorded of directions by their indices, which are others in a selection.
_BY_INDEX = ("locality", "repeats", "redundancy", "names", MEASURED)


def select(directions: Directions, chosen: list[int]) -> Directions:
    """Take some directions, with the names that they were given.

    Args:
        directions: All directions of a result.
        chosen: The indices of those that are taken.

    Returns:
        The directions, without what was recorded of them by their former indices.

    Raises:
        OptionError: If there is no such direction.
    """
    wrong = [index for index in chosen if not 0 <= index < len(directions)]
    if wrong:
        raise OptionError(f"there is no direction {wrong[0]}: the result holds 0 to {len(directions) - 1}")
    kept = {key: value for key, value in directions.provenance.items() if key not in _BY_INDEX}
    return replace(directions[chosen], provenance={**kept, "indices": chosen})
