"""Filling a network with a state: shapes are compared before memory is allocated, and numbers must be finite."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from zoo._utils.no_compiler import without_compiler
from zoo._utils.tensorfile import FLOATS
from zoo.errors import CheckpointError

# Three times as many tensors as the deepest published network has. torch fills thousands of layers in quadratic time.
_MOST_TENSORS = 2_000

# The end of a normalisation's key for the number of its training steps.
COUNTER = ".num_batches_tracked"

# How many keys of a sort a message lists.
_LISTED = 4

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def require_finite(state: Mapping[str, Tensor], origin: str) -> None:
    """Require that all weights are finite numbers.

    Args:
        state: tensors by key.
        origin: the file's name in messages, such as "the StyleGAN2 file".

    Raises:
        CheckpointError: for a tensor that holds NaN or infinity.
    """
    for key, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{origin}: {key} holds numbers that are not finite; the file is damaged")


def build_module(build: Callable[[], AnyModule], state: Mapping[str, Tensor], origin: str) -> AnyModule:
    """Build a network and load a state into it.

    The network is first built on torch's ``meta`` device, where tensors have shapes but no memory. Only when every
    shape fits is it built for real: a small file can declare the shapes of a network that fits into no machine.

    Args:
        build: builds the network, its weights not filled in; called twice.
        state: its weights, by the keys of its state dict.
        origin: the file's name in messages, such as "the StyleGAN2 file".

    Returns:
        The network, on torch's default device.

    Raises:
        CheckpointError: if `build` fails, if the state does not fit (see `require_fit`), or if it has more than 2,000
            tensors.
    """
    if len(state) > _MOST_TENSORS:
        raise CheckpointError(
            f"{origin} does not fit the network; it has {len(state):,} weights, more than any network"
        )
    try:
        with warnings.catch_warnings(), torch.device("meta"), without_compiler():
            warnings.simplefilter("ignore")  # torch's, about layers without elements; `require_fit` reports those
            sketch = build()
    except (LookupError, TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise CheckpointError(f"the tensors in {origin} do not describe a network: {error}") from None
    state = _with_counters(sketch, state)
    require_fit(sketch, state, origin)
    module = build()
    module.load_state_dict(dict(state))
    return module


def fill_module(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Load a state into a network, every key and shape of which must fit.

    Args:
        module: the network, to be changed in place.
        state: its weights, by the keys of its state dict.
        origin: the file's name in messages.

    Raises:
        CheckpointError: if the state does not fit (see `require_fit`).
    """
    state = _with_counters(module, state)
    require_fit(module, state, origin)
    module.load_state_dict(dict(state))


def _with_counters(module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add the counters of training steps that normalisations have, and that no image depends on."""
    counters = (key for key in module.state_dict() if key.endswith(COUNTER) and key not in state)
    return {**state, **{key: torch.zeros((), dtype=torch.long) for key in counters}}


def require_fit(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Require that a state fits a network.

    Args:
        module: the network; its tensors may be on the ``meta`` device.
        state: weights by key.
        origin: the file's name in messages.

    Raises:
        CheckpointError: for keys that are missing or left over, tensors of another shape or type, empty ones, and ones
            that hold NaN or infinity.
    """
    expected = module.state_dict()
    shared = sorted(expected.keys() & state.keys())
    faults = {
        "missing": sorted(expected.keys() - state.keys()),
        "left over": sorted(state.keys() - expected.keys()),
        "of another shape": [
            f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
            for key in shared
            if state[key].shape != expected[key].shape
        ],
        "of another type": [
            f"{key} {str(state[key].dtype).removeprefix('torch.')}"
            for key in shared
            if (state[key].dtype in FLOATS) != expected[key].is_floating_point() or state[key].is_complex()
        ],
        "empty": [key for key in shared if not state[key].numel()],
    }
    described = [
        f"{fault}: {', '.join(keys[:_LISTED])}{', …' if len(keys) > _LISTED else ''}"
        for fault, keys in faults.items()
        if keys
    ]
    if described:
        raise CheckpointError(f"{origin} does not fit the network; {'; '.join(described)}")
    require_finite({key: tensor.to(expected[key].dtype) for key, tensor in state.items()}, origin)
