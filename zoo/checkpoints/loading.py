"""Filling a network with a state: shapes are compared before memory is taken, and numbers must be finite."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from zoo._utils.tensorfile import FLOATS
from zoo.errors import CheckpointError

_MOST_WEIGHTS = 2_000
"""Three times what the deepest published network has; torch fills thousands of layers in quadratic time."""


def require_finite(state: Mapping[str, Tensor], origin: str) -> None:
    """Raise `CheckpointError` if a weight is NaN or infinite."""
    for key, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{origin}: {key} holds numbers that are not finite; the file is damaged")


AnyModule = TypeVar("AnyModule", bound=nn.Module)


def build_module(make: Callable[[], AnyModule], state: Mapping[str, Tensor], origin: str) -> AnyModule:
    """Build a network and load a state into it, its shapes compared before memory is taken for any of them.

    `make` is called twice, first for a sketch on torch's device ``meta``, whose tensors hold no numbers: a small file
    can have the shapes of a network that no machine holds. Raises `CheckpointError` as `require_fit`, and for thousands
    of weights.
    """
    if len(state) > _MOST_WEIGHTS:
        raise CheckpointError(
            f"{origin} does not fit the network; it has {len(state):,} weights, more than any network"
        )
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")  # torch's, about layers without numbers, which `require_fit` tells
            sketch = make()
    except (LookupError, TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise CheckpointError(f"the shapes of {origin} are those of no network: {error}") from None
    require_fit(sketch, state, origin)
    module = make()
    module.load_state_dict(dict(state))
    return module


def fill_module(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Load a state into a network, every key and shape accounted for. Raises `CheckpointError` as `require_fit`."""
    require_fit(module, state, origin)
    module.load_state_dict(dict(state))


def require_fit(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Raise `CheckpointError` naming keys that are missing, left over, empty, or of another shape or type."""
    wanted = module.state_dict()
    shared = sorted(wanted.keys() & state.keys())
    faults = {
        "missing": sorted(wanted.keys() - state.keys()),
        "left over": sorted(state.keys() - wanted.keys()),
        "of another shape": [
            f"{key} {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
            for key in shared
            if state[key].shape != wanted[key].shape
        ],
        "of another type": [
            f"{key} {str(state[key].dtype).removeprefix('torch.')}"
            for key in shared
            if (state[key].dtype in FLOATS) != wanted[key].is_floating_point() or state[key].is_complex()
        ],
        "empty": [key for key in shared if not state[key].numel()],
    }
    told = [f"{what}: {', '.join(keys[:4])}{', …' if len(keys) > 4 else ''}" for what, keys in faults.items() if keys]
    if told:
        raise CheckpointError(f"{origin} does not fit the network; {'; '.join(told)}")
    require_finite({key: tensor.to(wanted[key].dtype) for key, tensor in state.items()}, origin)
