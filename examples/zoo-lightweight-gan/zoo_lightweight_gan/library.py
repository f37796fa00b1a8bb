"""Importing the package lightweight-gan without CUDA: its networks run anywhere, but its import asserts CUDA."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import torch

# What the package imports. These may ask whether there is CUDA, so they are imported first, while the answer is true.
_DEPENDENCIES = ("adabelief_pytorch", "einops", "kornia.filters", "torchvision")


class Library(NamedTuple):
    """What is used of the package.

    Attributes:
        module: the module of the networks and the trainer.
        blur: the upsampling filter. A trainer may replace the module's own reference to it by the identity.

    """

    module: ModuleType
    blur: Any


@cache
def load_library() -> Library:
    """Import the package, which takes seconds, when the first network is built.

    The module asserts on import that there is CUDA, as its trainer needs it. During the import,
    torch is made to say so.

    Returns:
        The parts of the package that are used here.

    """
    for name in _DEPENDENCIES:
        importlib.import_module(name)
    with _pretend_cuda():
        module = importlib.import_module("lightweight_gan.lightweight_gan")
    return Library(module, module.Blur)


@contextmanager
def _pretend_cuda() -> Iterator[None]:
    real = torch.cuda.is_available
    torch.cuda.is_available = lambda: True
    try:
        yield
    finally:
        torch.cuda.is_available = real
