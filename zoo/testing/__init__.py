"""The conformance suite as functions, for any test runner; `zoo.conformance` lists it without importing torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from zoo.core.adapter import Adapter
from zoo.registry.registry import Installation
from zoo.testing import (
    analyzer_checks as analyses,
)
from zoo.testing import (
    architecture_checks as families,
)
from zoo.testing import (
    card_checks as models,
)
from zoo.testing import (
    network_checks as networks,
)
from zoo.testing import (
    projection_checks as steps,
)
from zoo.testing import (
    scorer_checks as predictors,
)
from zoo.testing.card_checks import Subject
from zoo.testing.network_checks import check_derivatives, in_float64, layer_choices
from zoo.testing.require import draw, leaves_no_trace, render, require, require_close, require_light

__all__ = [
    "check_adapter",
    "check_derivatives",
    "draw",
    "in_float64",
    "layer_choices",
    "leaves_no_trace",
    "render",
    "require",
    "require_close",
    "run",
    "subject_of",
]

SEEDS = (0, 1)
"""The seeds of the tiny networks that an architecture is checked on."""

_MODULES: Mapping[str, tuple[ModuleType, ...]] = {
    "adapter": (families, networks, steps),
    "analyzer": (analyses,),
    "scorer": (predictors,),
    "card": (models,),
}
_OF_NETWORKS = (
    "codes",
    "images",
    "determinism",
    "batches",
    "moves",
    "projections",
    "first-steps",
    "regions",
    "forward",
    "reverse",
    "types",
    "devices",
    "traces",
)


def check_adapter(adapter: Adapter, seed: int = 0) -> None:
    """Run every check of a network, an adapter at hand. Raises `ContractError` at the first that fails."""
    for name in _OF_NETWORKS:
        _function("adapter", name)(adapter, seed)


def subject_of(kind: str, found: Any, installation: Installation) -> Any:
    """Make what the checks of a kind are given: of cards the card and its home, of others the entry and its owner."""
    return (
        Subject(found, installation)
        if kind == "card"
        else (found, installation.plugins.provider(f"zoo_{kind}s", found.name))
    )


def run(kind: str, name: str, subject: Any) -> None:
    """Run one check of `zoo.conformance.CONTRACTS`. Raises what the check does, `ContractError` above all."""
    if kind == "card":
        _function(kind, name)(subject)
        return
    entry, owner = subject
    if name == "import":
        require_light(kind, entry.name, owner)
    elif kind == "adapter" and name in _OF_NETWORKS:
        for seed in SEEDS:
            _function(kind, name)(entry.resolve().tiny(seed), seed)
    else:
        _function(kind, name)(entry)


def _function(kind: str, name: str) -> Callable[..., None]:
    word = f"check_{name.replace('-', '_')}"
    [found] = [vars(module)[word] for module in _MODULES[kind] if vars(module).get(word)]
    function: Callable[..., None] = found
    return function
