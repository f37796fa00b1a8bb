"""What an architecture must hold beyond each of its networks: how it is announced, opened and built without a file."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NoReturn
from unittest.mock import patch

import torch

from zoo.core.adapter import Adapter, State
from zoo.errors import CheckpointError, ContractError, UnknownNameError, ZooError
from zoo.plugins.entries import AdapterPlugin
from zoo.testing.require import require

MOST_NUMBERS, MOST_PIXELS = 10**6, 64
"""How large a tiny network may be: it is rendered thousands of times."""

_NOWHERE = "no-such-space"


def check_tiny(entry: AdapterPlugin) -> None:
    """`tiny` builds a small network without a download: the same for the same seed, another for another."""
    family = entry.resolve()
    with _no_network():
        adapters = [family.tiny(seed) for seed in (0, 0, 1)]
    first, again, other = (adapter.network.state_dict() for adapter in adapters)
    require(all(torch.equal(first[key], again[key]) for key in first), "the same seed, the same weights", "others")
    require(not all(torch.equal(first[key], other[key]) for key in first), "another seed, other weights", "the same")
    size, sides = sum(value.numel() for value in first.values()), adapters[0].resolution
    require(size <= MOST_NUMBERS, f"a tiny network of at most {MOST_NUMBERS:,} numbers", f"{size:,}")
    require(max(sides) <= MOST_PIXELS, f"tiny images of at most {MOST_PIXELS} pixels a side", f"{sides[0]}x{sides[1]}")


def check_announcement(entry: AdapterPlugin) -> None:
    """The entry says what the network can do: projections, labels, and that it can be rendered and differentiated."""
    adapter = entry.resolve().tiny(0)
    require(isinstance(adapter, Adapter), "an adapter is a subclass of zoo.Adapter", type(adapter).__name__)
    words, parts = entry.provided(adapter.space.name), adapter.projections()
    declared = f"provides {', '.join(sorted(words)) or 'nothing'}"
    require(("projection" in words) == bool(parts), "projection is announced where there are any", declared)
    require(
        "labels" in words or not adapter.classes, "labels are announced, in provides, where there are classes", declared
    )
    require(
        {"derivative", "region"} <= words, "derivative and region, which every network has, are announced", declared
    )


def check_layouts(entry: AdapterPlugin) -> None:
    """Layouts have names of their own, and recognise files of theirs alone."""
    layouts = entry.resolve().layouts
    names = [layout.name for layout in layouts]
    require(bool(names), "a layout, or no file can be opened", "none")
    require(len(set(names)) == len(names), "each layout has a name of its own", ", ".join(names))
    strangers: tuple[State, ...] = ({}, {"weight": torch.zeros(2, 3)}, {"a.0.weight": torch.zeros(5)})
    for layout in layouts:
        for state in strangers:
            try:
                taken = layout.detect(dict(state), {})
            except (LookupError, TypeError, ValueError, AttributeError):
                taken = False  # as where files are opened: a layout that stumbles over a file is not its
            contract = f"the layout {layout.name} detects files of its kind alone"
            require(not taken, contract, f"a file of {', '.join(state) or 'nothing'} was taken for one")


def check_refusals(entry: AdapterPlugin) -> None:
    """`load` refuses weights that do not fit and spaces that there are not, with zoo's own errors."""
    family = entry.resolve()
    fitting = dict(family.tiny(0).network.state_dict())
    states: dict[str, State] = {"an empty state": {}, "a state of another network": {"weight": torch.zeros(2)}}
    for what, state in states.items():
        _refused(partial(family.load, state, {}), CheckpointError, f"CheckpointError for {what}")
    load = partial(family.load, fitting, {}, space=_NOWHERE)
    _refused(load, UnknownNameError, f"UnknownNameError for the space {_NOWHERE!r}")


def _refused(call: Callable[[], object], kind: type[ZooError], contract: str) -> None:
    """Require that a call raises an error of some kind."""
    try:
        call()
    except kind:
        return
    except Exception as error:
        raise ContractError(f"the contract is: {contract}; seen: {type(error).__name__}: {error}") from error
    raise ContractError(f"the contract is: {contract}; seen: no error")


@contextmanager
def _no_network() -> Iterator[None]:
    """Refuse every connection that is begun inside."""

    def refuse(*_: object) -> NoReturn:
        raise ContractError("the contract is: tiny needs no network; seen: a connection was begun")

    with patch.object(socket.socket, "connect", refuse), patch.object(socket, "getaddrinfo", refuse):
        yield
