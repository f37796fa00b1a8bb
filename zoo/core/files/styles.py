"""Vectors of StyleSpace as other projects keep them: one array of all styles, or an array for each layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.core.files.arrays import MisfitError

if TYPE_CHECKING:
    from zoo.core.codes import LatentSpace


def join_styles(arrays: Mapping[str, Tensor], space: LatentSpace | None) -> Mapping[str, Tensor]:
    """Concatenate the arrays of a file that holds one for each layer, as those of StyleCLIP and StyleSpace do.

    The order is that of the forward pass: the file's own, or, where the sizes do not fit in it, that of the names, in
    which numbers count as numbers.

    Args:
        arrays: the arrays of the file by name, each (channels,) or (n, channels), with any further axes of 1.
        space: the latent space that vectors are wanted of; None if it is not known.

    Returns:
        One array (n, dim), without a name, if the space is s and there is an array for each layer; else the arrays as
        they are.

    Raises:
        MisfitError: there is an array for each layer, and their sizes fit in no order or in two; or they are styles,
            and the space is w.

    """
    if space is None or len(arrays) == 1 or len(arrays) != len(space.styles):
        return arrays
    if any(sum(length != 1 for length in array.shape) > 2 for array in arrays.values()):
        return arrays
    parts = {name: _rows(array) for name, array in arrays.items()}
    orders = {tuple(parts), tuple(sorted(parts, key=_by_number))}
    fitting = [order for order in orders if tuple(parts[name].shape[1] for name in order) == space.styles]
    if space.name != "s":
        if fitting:
            raise MisfitError(
                f"holds {len(parts)} arrays, which have the sizes of the layers' styles: open the model with --space s "
                f"if they are vectors of StyleSpace, or choose one by its name, as in FILE#{next(iter(arrays))}"
            )
        return arrays
    if len({len(part) for part in parts.values()}) > 1:
        raise MisfitError("holds an array for each layer, but not of as many vectors each")
    if not fitting:
        found, wanted = ", ".join(str(part.shape[1]) for part in parts.values()), ", ".join(map(str, space.styles))
        raise MisfitError(
            f"holds an array for each layer, of {found} numbers, but the layers have {wanted} styles, in the order of "
            "the forward pass with ToRGB"
        )
    if len(fitting) > 1:
        names = " or ".join(", ".join(order[:3]) + ", …" for order in sorted(fitting))
        raise MisfitError(
            f"holds an array for each layer, and their sizes fit in two orders, {names}: concatenate them in the order "
            "of the forward pass with ToRGB"
        )
    return {"": torch.cat([parts[name] for name in fitting[0]], dim=1)}


def _rows(array: Tensor) -> Tensor:
    """Bring the styles of a layer to (n, channels): the last axis longer than 1 is that of channels."""
    shape = [length for length in array.shape if length != 1] or [1]
    return array.reshape(-1, shape[-1])


def _by_number(name: str) -> list[tuple[int, str]]:
    """Sort names as people do: layer 2 before layer 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
