"""What every check is made of: requiring something, leaving no trace, and asking a fresh process."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules import module as modules

from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.errors import ContractError
from zoo.plugins.selection import CHOICE

OUTPUT_TOLERANCE = 1e-5
"""Images and mapped codes may differ by float32 rounding when the batch is of another size."""

_KINDS = ("forward_hooks", "forward_pre_hooks", "backward_hooks", "backward_pre_hooks")
# torch names the cache folder of its compiler here when a process takes its first derivative.
_TORCH_SETS = {"TORCHINDUCTOR_CACHE_DIR"}
_LIGHT = """
import sys
from zoo.plugins.manager import load_plugins
entry = getattr(load_plugins(), {kind!r})({name!r})
if hasattr(entry, "schema"):
    entry.schema()
print("torch" in sys.modules)
"""


def require(held: bool, contract: str, seen: object) -> None:
    """Raise `ContractError` unless the contract held."""
    if not held:
        raise ContractError(f"the contract is: {contract}; seen: {seen}")


def require_close(found: Tensor, wanted: Tensor, tolerance: float, contract: str) -> None:
    """Raise `ContractError` if the largest deviation exceeds `tolerance` times the largest wanted value."""
    deviation = float((found - wanted).abs().max())
    scale = max(float(wanted.abs().max()), torch.finfo(torch.float32).tiny)
    require(deviation <= tolerance * scale, contract, f"a deviation of {deviation / scale:.1e}, above {tolerance:.0e}")


def draw(adapter: Adapter, count: int, seed: int) -> Codes:
    """Draw codes onto the adapter's device and type."""
    codes = adapter.sample(count, torch.Generator().manual_seed(seed))
    return codes.to(adapter.device, adapter.dtype)


def render(adapter: Adapter, codes: Codes) -> Tensor:
    """Render codes without derivatives."""
    with torch.no_grad():
        return adapter.synthesize(codes)


@contextmanager
def leaves_no_trace(adapter: Adapter | None = None) -> Iterator[None]:
    """Require that what runs inside, even if it fails, leaves the network and everything global as it was.

    Of the network: hooks, weights, training mode, requires_grad. Globally: random states, the default type and device,
    thread counts, gradient and deterministic modes, reduced precision, hooks, and the environment.
    """
    before = _state(adapter)
    try:
        yield
    finally:
        after = _state(adapter)
        for name, value in before.items():
            now = after.get(name)
            same = torch.equal(value, now) if isinstance(value, Tensor) and isinstance(now, Tensor) else value == now
            require(same, f"{name} is left as it was", "it changed")


def require_light(kind: str, name: str, owner: str) -> None:
    """Raise `ContractError` if announcing an entry, its options included, imports torch.

    A fresh process looks, in which `owner`, the distribution that the entry comes from, is the only plugin.
    """
    plugin = owner.rpartition(" ")[0] if owner != "zoo itself" else ""
    variables = {**os.environ, CHOICE: plugin, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)}
    command = [sys.executable, "-c", _LIGHT.format(kind=kind, name=name)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    contract = "the entry and its options come without torch, so that zoo list stays quick"
    last = (done.stderr.strip() or "nothing").splitlines()[-1]
    require(done.returncode == 0, contract, f"they do not come at all: {last}")
    require(done.stdout.strip() == "False", contract, "torch is imported by them")


def _state(adapter: Adapter | None) -> dict[str, object]:
    """Read everything that has to stay as it is, under the words that say so."""
    state: dict[str, object] = {name: read() for name, read in _GLOBAL.items()}
    if adapter is None:
        return state
    parts = list(adapter.network.modules())
    state["the number of module hooks"] = sum(len(getattr(part, f"_{kind}")) for part in parts for kind in _KINDS)
    state["training mode"] = [part.training for part in parts]
    state["requires_grad"] = [weight.requires_grad for weight in adapter.network.parameters()]
    return state | {f"weight {key}": value.clone() for key, value in adapter.network.state_dict().items()}


def _numpy_state() -> object:
    name, keys, *rest = np.random.get_state(legacy=True)
    return (name, np.asarray(keys).tobytes(), *rest)


_GLOBAL: dict[str, Callable[[], object]] = {
    "torch's random state": torch.get_rng_state,
    "numpy's random state": _numpy_state,
    "Python's random state": random.getstate,
    "the default type": torch.get_default_dtype,
    "the default device": torch.get_default_device,
    "the thread count": torch.get_num_threads,
    "gradient mode": torch.is_grad_enabled,
    "deterministic mode": torch.are_deterministic_algorithms_enabled,
    "the precision of products": torch.get_float32_matmul_precision,
    "the choice of cuDNN's algorithms": lambda: (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
    "the number of hooks on all modules": lambda: sum(len(getattr(modules, f"_global_{kind}")) for kind in _KINDS),
    "the environment": lambda: {name: value for name, value in os.environ.items() if name not in _TORCH_SETS},
}
