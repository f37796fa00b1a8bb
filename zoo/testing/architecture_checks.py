"""Checks of an architecture beyond each of its networks: its entry, layouts, and building it without a file.

Each function takes the entry of the adapter, and raises `ContractError` unless the requirement of its docstring is met.
"""

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
from zoo.testing.assertions import require

# How large a tiny network may be, in numbers and in pixels a side: tests render it thousands of times.
MAX_NUMBERS = 10**6
MAX_SIDE = 64

_UNKNOWN_SPACE = "no-such-space"


def check_tiny(entry: AdapterPlugin) -> None:
    """`tiny` builds a small network without a download, and the seed alone determines its weights."""
    family = entry.resolve()
    with _no_network():
        adapters = [family.tiny(seed) for seed in (0, 0, 1)]
    first, again, other = (adapter.network.state_dict() for adapter in adapters)
    same = all(torch.equal(first[key], again[key]) for key in first)
    require(same, "the same seed gives the same weights", "different weights")
    different = not all(torch.equal(first[key], other[key]) for key in first)
    require(different, "another seed gives other weights", "the same weights")
    size = sum(value.numel() for value in first.values())
    require(size <= MAX_NUMBERS, f"a tiny network has at most {MAX_NUMBERS:,} numbers", f"{size:,}")
    height, width = adapters[0].resolution
    small = max(height, width) <= MAX_SIDE
    require(small, f"tiny images have at most {MAX_SIDE} pixels a side", f"{height}x{width}")


def check_announcement(entry: AdapterPlugin) -> None:
    """The entry announces that the network has projections and takes labels, and that it can be differentiated."""
    adapter = entry.resolve().tiny(0)
    require(isinstance(adapter, Adapter), "an adapter is a subclass of zoo.Adapter", type(adapter).__name__)
    provided = entry.provided(adapter.space.name)
    seen = f"provides {', '.join(sorted(provided)) or 'nothing'}"
    announced = ("projection" in provided) == bool(adapter.projections())
    require(announced, "provides has projection exactly if the network has projections", seen)
    announced = "labels" in provided or not adapter.classes
    require(announced, "provides has labels if the network has classes", seen)
    announced = {"derivative", "region"} <= provided
    require(announced, "provides has derivative and region, which every network has", seen)


def check_layouts(entry: AdapterPlugin) -> None:
    """Layouts have different names, and detect no files of other formats."""
    layouts = entry.resolve().layouts
    names = [layout.name for layout in layouts]
    require(bool(names), "there is a layout, as no file can be opened without one", "none")
    require(len(set(names)) == len(names), "each layout has another name", ", ".join(names))
    other_states: tuple[State, ...] = ({}, {"weight": torch.zeros(2, 3)}, {"a.0.weight": torch.zeros(5)})
    for layout in layouts:
        for state in other_states:
            contract = f"the layout {layout.name} detects only files of its own format"
            require(
                not layout.fits(dict(state), {}), contract, f"it detected a file of {', '.join(state) or 'nothing'}"
            )


def check_refusals(entry: AdapterPlugin) -> None:
    """`load` raises zoo's own errors for weights that do not fit and for unknown spaces."""
    family = entry.resolve()
    state = dict(family.tiny(0).network.state_dict())
    unfit: dict[str, State] = {"an empty state": {}, "a state of another network": {"weight": torch.zeros(2)}}
    for what, other_state in unfit.items():
        _require_raises(partial(family.load, other_state, {}), CheckpointError, f"CheckpointError for {what}")
    load = partial(family.load, state, {}, space=_UNKNOWN_SPACE)
    _require_raises(load, UnknownNameError, f"UnknownNameError for the space {_UNKNOWN_SPACE!r}")


def _require_raises(call: Callable[[], object], kind: type[ZooError], contract: str) -> None:
    try:
        call()
    except kind:
        return
    except Exception as error:
        raise ContractError(f"the contract is: {contract}; seen: {type(error).__name__}: {error}") from error
    raise ContractError(f"the contract is: {contract}; seen: no error")


@contextmanager
def _no_network() -> Iterator[None]:
    """Refuse every network connection in the body of a ``with`` statement."""

    def refuse(*_: object) -> NoReturn:
        raise ContractError("the contract is: tiny needs no network; seen: it opened a connection")

    with patch.object(socket.socket, "connect", refuse), patch.object(socket, "getaddrinfo", refuse):
        yield
