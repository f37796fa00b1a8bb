"""What an analysis of a model may use: memory, and the place where its Jacobians are kept."""

from __future__ import annotations

import hashlib
import inspect
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.adapter import Adapter
from zoo.jacobian import Means
from zoo.keep import Keep
from zoo.kept import keep_folder, keep_limit
from zoo.model import Model
from zoo.sizes import parse_size
from zoo.version import __version__


def means_of(model: Model, *, memory: str | int | None = None, keep: bool = True) -> Means:
    """Read a budget such as ``2GB``, and say where the Jacobians of a model are kept, if they are to be.

    Raises `OptionError` for a budget that cannot be read.
    """
    budget, limit = check_means(memory, keep=keep)
    place = Keep(keep_folder(), identity_of(model), limit) if limit else None
    return Means(memory=budget, keep=place)


def check_means(memory: str | int | None, *, keep: bool) -> tuple[int | None, int]:
    """Read the budget, and how many bytes may be kept: both before anything is loaded. Raises `OptionError`."""
    return (None if memory is None else parse_size("--memory", memory)), (keep_limit() if keep else 0)


def identity_of(model: Model) -> str:
    """Digest everything that a Jacobian of this model depends on, but for the question itself.

    That is the weights file and the network made of it, checksums of its tensors included, since somebody may have
    changed them; the adapter's own source, since its author may be at work; the type and kind of device; and zoo.
    """
    adapter = model.adapter
    facts = {
        "weights": model.weights_sha256,
        "layout": model.layout,
        "space": adapter.space.as_json(),
        "options": {name: repr(value) for name, value in {**model.card.config, **model.options}.items()},
        "dtype": str(adapter.dtype),
        "device": adapter.device.type,
        "tensors": _checksum(adapter.network.state_dict()),
        "source": _source_of(type(adapter)),
        "zoo": __version__,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _checksum(state: Mapping[str, Any]) -> int:
    """Add up a network's tensors: quick, and good enough to notice a change that nobody meant to hide."""
    total = 0
    for name, tensor in state.items():
        total = zlib.crc32(name.encode(), total)
        if isinstance(tensor, Tensor):
            plain = tensor.detach().cpu().contiguous().view(-1)
            total = zlib.crc32(plain.view(torch.uint8).numpy().data, total)
    return total


def _source_of(kind: type[Adapter]) -> str:
    """Digest the Python files beside the one that defines an adapter."""
    try:
        path = Path(inspect.getfile(kind))
    except (OSError, TypeError):  # written in a notebook: nothing to tell a change by
        return ""
    digest = hashlib.sha256()
    files = sorted(path.parent.glob("*.py")) if (path.parent / "__init__.py").exists() else [path]
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
