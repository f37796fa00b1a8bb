"""Layer ranges, as users write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from zoo.errors import LayersError


def resolve_layers(asked: str | Sequence[int] | None, count: int) -> tuple[int, ...] | None:
    """Read layers that are given as text or as numbers.

    Args:
        asked: a text for `parse_layers`, or layer numbers; None stays None.
        count: the number of layers that there are.

    Returns:
        The layers in ascending order, or None.

    Raises:
        LayersError: the text cannot be read, or a layer does not exist.

    """
    if asked is None:
        return None
    return parse_layers(asked if isinstance(asked, str) else ",".join(str(layer) for layer in asked), count)


def parse_layers(text: str, count: int) -> tuple[int, ...]:
    """Read a layer range as papers write it, such as ``4-7`` or ``0,2,5-6``. Both ends are included.

    Args:
        text: the range.
        count: the number of layers that there are, counted from 0.

    Returns:
        The layers in ascending order.

    Raises:
        LayersError: the text cannot be read, or a layer does not exist.

    """
    layers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*", part)
        if not match:
            raise LayersError(f"--layers {text}: write layers as 4-7 or 0,2,5-6")
        first = int(match[1])
        last = int(match[2] or match[1])
        if last < first or last >= count:
            raise LayersError(f"--layers {text}: {part.strip()} is not within the layers there are, 0-{count - 1}")
        layers.update(range(first, last + 1))
    return tuple(sorted(layers))
