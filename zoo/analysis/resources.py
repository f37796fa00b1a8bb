"""What an analysis of a model may use: memory, and the place where its Jacobians are kept."""

from __future__ import annotations

import hashlib
import inspect
import json
import zlib
from abc import ABC
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from zoo._utils.sizes import parse_size
from zoo._version import __version__
from zoo.core.adapter import Adapter
from zoo.core.compute import ComputeBudget
from zoo.jacobian.cache import JacobianCache
from zoo.jacobian.cache_folder import jacobian_folder, jacobian_limit
from zoo.models.model import Model


def budget_for(model: Model, *, memory: str | int | None = None, keep: bool = True) -> ComputeBudget:
    """Read a budget such as ``2GB``, and say where the Jacobians of a model are kept, if they are to be.

    Raises `OptionError` for a budget that cannot be read.
    """
    budget, limit = check_budget(memory, keep=keep)
    identity = cache_key(model) if limit else None
    return ComputeBudget(memory=budget, cache=JacobianCache(jacobian_folder(), identity, limit) if identity else None)


def check_budget(memory: str | int | None, *, keep: bool) -> tuple[int | None, int]:
    """Read the budget, and how many bytes may be kept: both before anything is loaded. Raises `OptionError`."""
    return (None if memory is None else parse_size("--memory", memory)), (jacobian_limit() if keep else 0)


def cache_key(model: Model) -> str | None:
    """Digest everything that a Jacobian of this model depends on, but for the question itself.

    That is the weights file and the network made of it, checksums of its tensors included, since somebody may have
    changed them; the source of the adapter's class and of those that it is derived from, since its author may be at
    work; the type and kind of device; and the versions of zoo, torch and timm. None for a class without a file, as one
    written in a notebook: nothing would tell that it was changed. Modules that it imports from elsewhere are not seen.
    """
    adapter = model.adapter
    sources = [_source_of(kind) for kind in type(adapter).__mro__ if kind not in {Adapter, ABC, object}]
    if None in sources:
        return None
    facts = {
        "weights": model.weights_sha256,
        "layout": model.layout,
        "space": adapter.space.as_json(),
        "options": {name: repr(value) for name, value in {**model.card.config, **model.options}.items()},
        "dtype": str(adapter.dtype),
        "device": adapter.device.type,
        "tensors": _checksum({**dict(adapter.network.named_parameters()), **dict(adapter.network.named_buffers())}),
        "sources": sources,
        "versions": [__version__, torch.__version__, metadata.version("timm")],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    """Add up a network's tensors: quick, and good enough to notice a change that nobody meant to hide."""
    total = 0
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous().view(-1)
        total = zlib.crc32(plain.view(torch.uint8).numpy().data, zlib.crc32(name.encode(), total))
    return total


def _source_of(kind: type) -> str | None:
    """Digest the Python files beside the one that defines a class; None where there is no file."""
    try:
        path = Path(inspect.getfile(kind))
        files = sorted(path.parent.glob("*.py")) if (path.parent / "__init__.py").exists() else [path]
        contents = [file.read_bytes() for file in files]
    except (OSError, TypeError):
        return None
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()
