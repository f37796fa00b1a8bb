"""What an analysis of a model may use: memory, and the cache of its Jacobians."""

from __future__ import annotations

import hashlib
import inspect
import json
import zlib
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class ResourceLimits:
    """How much an analysis may use.

    Attributes:
        memory: Bytes for derivatives, beyond the loaded network; None is what the usual chunk needs.
        cache: Bytes that cached Jacobians may take on disk; 0 neither reads nor writes the cache.
    """

    memory: int | None = None
    cache: int = 0


# As much memory as the usual chunk needs, and no cache.
NO_CACHE = ResourceLimits()


def read_limits(memory: str | int | None = None, *, keep: bool = True) -> ResourceLimits:
    """Read the limits before anything is loaded.

    Args:
        memory: A size in bytes, or text such as ``2GB``; None is what the usual chunk needs.
        keep: Use the cache of Jacobians, up to the size that ``ZOO_JACOBIANS`` names.

    Returns:
        The limits.

    Raises:
        OptionError: If a size cannot be read.
    """
    size = None if memory is None else parse_size("--memory", memory)
    return ResourceLimits(size, jacobian_limit() if keep else 0)


def budget_for(model: Model, limits: ResourceLimits) -> ComputeBudget:
    """Make the budget of a model's derivatives, with the cache of its Jacobians.

    Args:
        model: The model.
        limits: How much may be used.

    Returns:
        The budget; its cache is None where `limits` allow none, or the model has no cache key.
    """
    key = cache_key(model) if limits.cache else None
    cache = None if key is None else JacobianCache(jacobian_folder(), key, limits.cache)
    return ComputeBudget(memory=limits.memory, cache=cache)


def cache_key(model: Model) -> str | None:
    """Digest everything that a Jacobian of this model depends on, except code and region.

    That is the weights file, and the network that was built from it, with checksums of its tensors, since they may have
    been changed; the source files of the adapter's class and its bases; the dtype and the type of device; and the
    versions of zoo, torch and timm. Modules that the adapter imports from elsewhere are not included.

    Args:
        model: The model.

    Returns:
        The digest in hexadecimal; None for a class without a source file, such as one of a notebook, whose changes
        could not be noticed.
    """
    adapter = model.adapter
    sources = [_source_digest(base) for base in type(adapter).__mro__ if base not in {Adapter, ABC, object}]
    if None in sources:
        return None
    facts = {
        "weights": model.weights,
        "layout": model.layout,
        "space": adapter.space.as_json(),
        "options": {name: repr(value) for name, value in {**model.card.config, **model.opening.options}.items()},
        "dtype": str(adapter.dtype),
        "device": adapter.device.type,
        "tensors": _checksum({**dict(adapter.network.named_parameters()), **dict(adapter.network.named_buffers())}),
        "sources": sources,
        "versions": [__version__, torch.__version__, metadata.version("timm")],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    """Compute the CRC-32 of a network's tensors and their names: quick, and enough to notice any accidental change."""
    crc = 0
    for name, tensor in tensors.items():
        flat = tensor.detach().cpu().contiguous().view(-1)
        crc = zlib.crc32(flat.view(torch.uint8).numpy().data, zlib.crc32(name.encode(errors="surrogatepass"), crc))
    return crc


def _source_digest(cls: type) -> str | None:
    """Digest the Python files of the package that defines a class, or its file; None where there is no file."""
    try:
        path = Path(inspect.getfile(cls))
        files = sorted(path.parent.glob("*.py")) if (path.parent / "__init__.py").exists() else [path]
        contents = [file.read_bytes() for file in files]
    except (OSError, TypeError):
        return None
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()
