"""Layer ranges, as users write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from zoo.errors import LayersError

# The layers that each name of an adapter stands for; see `zoo.core.Adapter.layer_names`.
LayerNames = Mapping[str, Sequence[int]]


def resolve_layers(
    asked: str | Sequence[int] | None, count: int, names: LayerNames | None = None
) -> tuple[int, ...] | None:
    """Read layers that are given as text or as numbers.

    Args:
        asked: a text for `parse_layers`, or layer numbers; None stays None.
        count: the number of layers that there are.
        names: the layers by their names.

    Returns:
        The layers in ascending order, or None.

    Raises:
        LayersError: the text cannot be read, or a layer does not exist.

    """
    if asked is None:
        return None
    if not isinstance(asked, Iterable):
        asked = [asked]
    return parse_layers(asked if isinstance(asked, str) else ",".join(map(str, asked)), count, names)


def parse_layers(text: str, count: int, names: LayerNames | None = None) -> tuple[int, ...]:
    """Read a layer range as papers write it, such as ``4-7`` or ``0,2,5-6``, or names, such as ``coarse,64x64``.

    Args:
        text: the ranges and names, with commas between. Both ends of a range are included; upper and lower case are
            the same.
        count: the number of layers that there are, counted from 0.
        names: the layers by their names.

    Returns:
        The layers in ascending order.

    Raises:
        LayersError: the text cannot be read, or a layer does not exist.

    """
    known = {name.casefold(): layers for name, layers in (names or {}).items()}
    found: set[int] = set()
    for part in text.split(","):
        named = known.get(part.strip().casefold())
        found.update(_parse_range(text, part, count, names or {}) if named is None else named)
    return tuple(sorted(found))


def format_layers(layers: Sequence[int]) -> str:
    """Write layers as `parse_layers` reads them.

    Args:
        layers: the layers, in ascending order.

    Returns:
        Text such as ``0-3`` or ``0,2,5-6``.

    """
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def describe_layers(names: LayerNames) -> list[str]:
    """Tell for each layer what it is called. Neighbours with the same names share a text.

    Args:
        names: the layers by their names.

    Returns:
        Texts such as ``2-3: 8x8, coarse``, in ascending order.

    """
    called: dict[int, list[str]] = {}
    for name, layers in names.items():
        for layer in layers:
            called.setdefault(layer, []).append(name)
    runs = [list(run) for _, run in groupby(sorted(called), key=called.__getitem__)]
    return [f"{format_layers(run)}: {', '.join(called[run[0]])}" for run in runs]


def _parse_range(text: str, part: str, count: int, names: LayerNames) -> range:
    there_are = f"0-{count - 1}"
    named = ", ".join(f"{name} ({format_layers(layers)})" for name, layers in names.items())
    match = re.fullmatch(r"\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*", part)
    if not match and named:
        raise LayersError(f"--layers {text}: no layer is called {part.strip()!r}; there are {there_are}, and {named}")
    if not match:
        raise LayersError(
            f"--layers {text}: write layers as 4-7 or 0,2,5-6; there are {there_are}, and this model names none"
        )
    first = int(match[1])
    last = int(match[2] or match[1])
    if last < first or last >= count:
        also = f", and {named}" if named else ""
        raise LayersError(f"--layers {text}: {part.strip()} is not within the layers there are, {there_are}{also}")
    return range(first, last + 1)
