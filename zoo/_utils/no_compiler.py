"""Derivatives and shapes without the imports of torch's compiler and of sympy, which are never used here.

Forward mode represents the tangent of a constant by a ``ZeroTensor``. An operation on it and a dual number finds the
shape of its result with a Python function of ``torch._refs`` or ``torch._decomp``, and so do operations on the ``meta``
device. Inside most of these is one that ``torch._disable_dynamo`` has wrapped::

    def inner(*args, **kwargs):                            # torch/_compile.py
        disable_fn = getattr(fn, "__dynamo_disable", None)
        if disable_fn is None:
            import torch._dynamo                           # 900 modules
            disable_fn = fn.__dynamo_disable = torch._dynamo.disable(fn, …)
        return disable_fn(*args, **kwargs)

The import takes seconds, and sets ``TORCHINDUCTOR_CACHE_DIR`` in the environment. `without_compiler` sets the attribute
to ``fn`` itself, which is what ``disable`` amounts to as long as nothing is compiled.

The same functions import ``torch.fx.experimental.symbolic_shapes``, and with it all of sympy (0.3 seconds), to ask
whether one size equals another, as a size might be a symbol. No size is one here, and among plain numbers the answers
are those of Python. `without_compiler` puts stand-ins in the place of both modules, which give these answers. Asked for
anything else, or about anything but plain numbers, they import the real modules, which take their places.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from importlib.machinery import ModuleSpec
from threading import RLock
from types import ModuleType
from typing import Any

_ATTRIBUTE = "__dynamo_disable"
_MODULES = ("torch._refs", "torch._refs.nn.functional", "torch._decomp.decompositions")
_SYMBOLIC_SHAPES = "torch.fx.experimental.symbolic_shapes"
_changing_modules = RLock()


@contextmanager
def without_compiler() -> Iterator[None]:
    """Take derivatives, and compute on the ``meta`` device, inside without importing ``torch._dynamo`` or sympy.

    It changes nothing once they are imported. Under a torch with other internals, the imports take place.

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
        with _plain_sizes():
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


class _StandIn(ModuleType):
    """Stands for a module that is not imported, until it is asked for anything but what is given here."""

    def __init__(self, name: str, given: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        vars(self).update(given)

    def __getattr__(self, name: str) -> Any:
        # Python asks each module for such names: of a package, these two are needed to import from it.
        if name.startswith("__") and (self.__name__ != "sympy" or name not in ("__path__", "__all__")):
            raise AttributeError(name)
        return getattr(_import_real(self.__name__), name)


@contextmanager
def _plain_sizes() -> Iterator[None]:
    """Answer torch's questions about sizes without sympy, in the body of a ``with`` statement."""
    given: dict[str, Mapping[str, Any]] = {
        "sympy": {"Basic": _NoSymbol},
        _SYMBOLIC_SHAPES: {name: partial(_ask, name) for name in _ANSWERS},
    }
    with _changing_modules:
        known = _parent() is not None
        stand_ins = {name: _StandIn(name, given[name]) for name in given if known and name not in sys.modules}
        sys.modules.update(stand_ins)
        if _SYMBOLIC_SHAPES in stand_ins:
            setattr(_parent(), _SYMBOLIC_SHAPES.rpartition(".")[2], stand_ins[_SYMBOLIC_SHAPES])
    try:
        yield
    finally:
        if stand_ins:  # inside another use of this there are none, and the outer one removes them
            _remove_stand_ins()


def _import_real(name: str) -> ModuleType:
    """Import a module, and whatever else has a stand-in, in the place of the stand-ins."""
    _remove_stand_ins()
    return import_module(name)


def _remove_stand_ins() -> None:
    """Remove the stand-ins that are still there."""
    attribute = _SYMBOLIC_SHAPES.rpartition(".")[2]
    with _changing_modules:
        for name in ("sympy", _SYMBOLIC_SHAPES):
            if isinstance(sys.modules.get(name), _StandIn):
                del sys.modules[name]
        if isinstance(getattr(_parent(), attribute, None), _StandIn):
            delattr(_parent(), attribute)


def _parent() -> ModuleType | None:
    """Return the package of the module that torch asks about sizes; None where this torch has not imported it."""
    return sys.modules.get(_SYMBOLIC_SHAPES.rpartition(".")[0])


def _ask(name: str, *values: Any, **keywords: Any) -> Any:
    """Answer a question about sizes or what holds of them; for anything but plain numbers, the real function does."""
    if keywords or not all(map(_is_plain, values)):
        return getattr(_import_real(_SYMBOLIC_SHAPES), name)(*values, **keywords)
    return _ANSWERS[name](*values)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(type(size) is int for size in value)
    return type(value) in (int, bool)


def _itself(value: Any) -> Any:
    return value


class _NoSymbol:
    """Sympy's `Basic`, of which there is no instance before sympy is imported."""


# What torch asks about sizes, or what holds of them, and the answers where all of them are plain numbers.
_ANSWERS: dict[str, Callable[..., Any]] = {
    "expect_true": _itself,
    "guard_or_false": _itself,
    "guard_or_true": _itself,
    "guard_size_oblivious": _itself,
    "guarding_hint_or_throw": _itself,
    "statically_known_true": _itself,
    "has_guarding_hint": lambda _: True,
    "is_nested_int": lambda _: False,
    "sym_and": lambda *truths: all(truths),
    "sym_or": lambda *truths: any(truths),
    "sym_eq": lambda left, right: left == right if isinstance(left, int) else [*left] == [*right],
}
