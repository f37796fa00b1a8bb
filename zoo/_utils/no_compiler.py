"""Derivatives and shapes without the import of torch's compiler, which takes seconds and is never used here.

Forward mode represents the tangent of a constant by a ``ZeroTensor``. An operation on it and a dual number finds the
shape of its result with a Python function of ``torch._refs`` or ``torch._decomp``, and so do operations on the ``meta``
device. Inside most of these is one that ``torch._disable_dynamo`` has wrapped::

    def inner(*args, **kwargs):                            # torch/_compile.py
        disable_fn = getattr(fn, "__dynamo_disable", None)
        if disable_fn is None:
            import torch._dynamo                           # 900 modules
            disable_fn = fn.__dynamo_disable = torch._dynamo.disable(fn, …)
        return disable_fn(*args, **kwargs)

The import also sets ``TORCHINDUCTOR_CACHE_DIR`` in the environment. `without_compiler` sets the attribute to ``fn``
itself, which is what ``disable`` amounts to as long as nothing is compiled.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

_ATTRIBUTE = "__dynamo_disable"
_MODULES = ("torch._refs", "torch._refs.nn.functional", "torch._decomp.decompositions")


@contextmanager
def without_compiler() -> Iterator[None]:
    """Take derivatives, and compute on the ``meta`` device, inside without importing ``torch._dynamo``.

    It changes nothing once ``torch._dynamo`` is imported. Under a torch with other internals, the import takes place.

    Yields:
        Nothing.
    """
    loaded = [] if "torch._dynamo" in sys.modules else map(sys.modules.get, _MODULES)
    functions = tuple(function for module in loaded if module for function in _wrapped_functions(module))
    # Inside another use of this, the attributes are set; the outer one removes them.
    functions = tuple(function for function in functions if not hasattr(function, _ATTRIBUTE))
    for function in functions:
        setattr(function, _ATTRIBUTE, function)
    try:
        yield
    finally:
        for function in functions:
            if getattr(function, _ATTRIBUTE, None) is function:  # torch may have set its own meanwhile
                delattr(function, _ATTRIBUTE)


@cache
def _wrapped_functions(module: ModuleType) -> tuple[Callable[..., Any], ...]:
    """Find the functions that ``torch._disable_dynamo`` has wrapped inside those of a module, each once."""
    wrapped = map(_wrapped_by_disable, vars(module).values())
    return tuple({id(function): function for function in wrapped if function is not None}.values())


def _wrapped_by_disable(function: Any) -> Callable[..., Any] | None:
    """Unwrap a function down to the wrapper of ``torch._disable_dynamo``, and return what that wraps.

    Every wrapper there calls the variable ``fn`` of its closure. ``__wrapped__`` may name another function.
    """
    while inspect.isfunction(function):
        closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        inner = closure["fn"].cell_contents if "fn" in closure else None
        if function.__code__.co_filename.endswith("_compile.py"):
            return inner if inspect.isfunction(inner) else None
        function = inner
    return None
