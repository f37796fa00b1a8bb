"""The package lightweight-gan, which cannot be imported where there is no CUDA, though its networks run anywhere."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import torch

_FIRST = ("adabelief_pytorch", "einops", "kornia.filters", "torchvision")
"""What it imports, and what might ask whether there is CUDA: imported beforehand, so that the answer is true."""


class Library(NamedTuple):
    """The package's module of networks and training, and its filter.

    A trainer replaces that one's name in the module by the identity, unless it is told to filter.
    """

    module: ModuleType
    blur: Any


@cache
def load_library() -> Library:
    """Import the package, when a network is built and not before: it takes seconds.

    The module asserts, as it is imported, that there is CUDA: its trainer needs it. For that one moment torch says so.
    """
    for name in _FIRST:
        importlib.import_module(name)
    with _cuda_claimed():
        module = importlib.import_module("lightweight_gan.lightweight_gan")
    return Library(module, module.Blur)


@contextmanager
def _cuda_claimed() -> Iterator[None]:
    real = torch.cuda.is_available
    torch.cuda.is_available = lambda: True
    try:
        yield
    finally:
        torch.cuda.is_available = real
