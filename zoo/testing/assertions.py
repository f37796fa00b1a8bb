"""What the checks are made of: requiring a condition, rendering, and comparing global state before and after."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules import module as modules

from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.errors import ContractError

# How far images and mapped codes may differ where the batch has another size: rounding of float32.
OUTPUT_TOLERANCE = 1e-5

_HOOK_KINDS = ("forward_hooks", "forward_pre_hooks", "backward_hooks", "backward_pre_hooks")

# torch sets this to the cache folder of its compiler when a process takes its first derivative.
_SET_BY_TORCH = {"TORCHINDUCTOR_CACHE_DIR"}


def require(condition: bool, contract: str, seen: object) -> None:
    """Require that a condition holds.

    Args:
        condition: whether the contract is met.
        contract: what is required, for the message.
        seen: what was seen instead, for the message.

    Raises:
        ContractError: the condition is False.

    """
    if not condition:
        raise ContractError(f"the contract is: {contract}; seen: {seen}")


def require_close(found: Tensor, wanted: Tensor, tolerance: float, contract: str) -> None:
    """Require that two tensors are equal up to a tolerance.

    Args:
        found: the tensor to check.
        wanted: the tensor of the same shape that it should equal.
        tolerance: the largest deviation allowed, relative to the largest absolute value of `wanted`.
        contract: what is required, for the message.

    Raises:
        ContractError: the deviation is larger.

    """
    deviation = float((found - wanted).abs().max())
    # the smallest normal number, so that tensors of zeros are compared without a division by 0
    scale = max(float(wanted.abs().max()), torch.finfo(torch.float32).tiny)
    require(deviation <= tolerance * scale, contract, f"a deviation of {deviation / scale:.1e}, above {tolerance:.0e}")


def draw(adapter: Adapter, count: int, seed: int) -> Codes:
    """Draw codes.

    Args:
        adapter: the generator to draw codes of.
        count: how many.
        seed: the seed of the generator of random numbers.

    Returns:
        The codes, on the adapter's device and in its dtype.

    """
    codes = adapter.sample(count, torch.Generator().manual_seed(seed))
    return codes.to(adapter.device, adapter.dtype)


def render(adapter: Adapter, codes: Codes) -> Tensor:
    """Render codes without recording derivatives.

    Args:
        adapter: the generator.
        codes: n codes on its device and in its dtype.

    Returns:
        (n, channels, height, width) images.

    """
    with torch.no_grad():
        return adapter.synthesize(codes)


@contextmanager
def leaves_no_trace(adapter: Adapter | None = None) -> Iterator[None]:
    """Require that the body of a ``with`` statement leaves a network and global state unchanged, even if it raises.

    Of the network, hooks, weights, training mode and requires_grad are compared. Of global state, random states, the
    default dtype and device, thread counts, gradient and deterministic modes, precision, hooks and the environment.

    Args:
        adapter: the adapter whose network is compared; None compares global state only.

    Raises:
        ContractError: something has changed.

    """
    before = _read_state(adapter)
    try:
        yield
    finally:
        after = _read_state(adapter)
        for name, old in before.items():
            new = after.get(name)
            same = torch.equal(old, new) if isinstance(old, Tensor) and isinstance(new, Tensor) else old == new
            require(same, f"{name} stays unchanged", "it changed")


def _read_state(adapter: Adapter | None) -> dict[str, object]:
    """Read everything that must stay unchanged, keyed by what messages call it."""
    state: dict[str, object] = {name: read() for name, read in _GLOBAL_STATE.items()}
    if adapter is None:
        return state
    parts = list(adapter.network.modules())
    state["the number of module hooks"] = sum(len(getattr(part, f"_{kind}")) for part in parts for kind in _HOOK_KINDS)
    state["training mode"] = [part.training for part in parts]
    state["requires_grad"] = [weight.requires_grad for weight in adapter.network.parameters()]
    return state | {f"weight {key}": value.clone() for key, value in adapter.network.state_dict().items()}


def _numpy_state() -> object:
    name, keys, *rest = np.random.get_state(legacy=True)
    return (name, np.asarray(keys).tobytes(), *rest)


_GLOBAL_STATE: dict[str, Callable[[], object]] = {
    "torch's random state": torch.get_rng_state,
    "numpy's random state": _numpy_state,
    "Python's random state": random.getstate,
    "the default dtype": torch.get_default_dtype,
    "the default device": torch.get_default_device,
    "the thread count": torch.get_num_threads,
    "gradient mode": torch.is_grad_enabled,
    "deterministic mode": torch.are_deterministic_algorithms_enabled,
    "the precision of matrix products": torch.get_float32_matmul_precision,
    "cuDNN's choice of algorithms": lambda: (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
    "the number of global module hooks": lambda: sum(len(getattr(modules, f"_global_{kind}")) for kind in _HOOK_KINDS),
    "the environment": lambda: {name: value for name, value in os.environ.items() if name not in _SET_BY_TORCH},
}
