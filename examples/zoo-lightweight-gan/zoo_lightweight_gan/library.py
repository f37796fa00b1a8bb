"""The package lightweight-gan, which cannot be imported where there is no CUDA, though its networks run anywhere."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch

_FIRST = ("adabelief_pytorch", "einops", "kornia.filters", "torchvision")
"""What it imports, and what might ask whether there is CUDA: imported beforehand, so that the answer is true."""


def load_library() -> ModuleType:
    """Import its module of networks and training.

    The module asserts, as it is imported, that there is CUDA: its trainer needs it. For that one moment torch says so.
    """
    for name in _FIRST:
        importlib.import_module(name)
    with _cuda_claimed():
        return importlib.import_module("lightweight_gan.lightweight_gan")


@contextmanager
def _cuda_claimed() -> Iterator[None]:
    real = torch.cuda.is_available
    torch.cuda.is_available = lambda: True
    try:
        yield
    finally:
        torch.cuda.is_available = real
