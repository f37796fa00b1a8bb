"""What a plugin registers: entries that are light to import and name the heavy part, which is imported on demand.

A class is named by a string ``"module:Class"``, as entry points of packages are, so that an entry imports nothing. A
function that returns the class serves too, for a class that is made as the program runs.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.errors import PluginError

if TYPE_CHECKING:
    from zoo.core.adapter import Adapter
    from zoo.core.analyzer import Analyzer, Scorer
    from zoo.core.options import Options

CAPABILITIES = {
    "projection": "declares the weights that first touch the latent code",
    "derivative": "forward- and reverse-mode differentiable in the latent code",
    "region": "renders pixels, so that regions can be cut from its output",
    "labels": "takes class labels",
}
"""The words that `AdapterPlugin.provides` and `AnalyzerPlugin.requires` are made of."""


@dataclass(frozen=True, kw_only=True)
class AdapterPlugin:
    """Announce an architecture: its name, a line about it, what it provides, and where its `Adapter` class is.

    `provides` speaks of the usual space; `spaces` says what others provide, where that is something else. `options`
    names the model of what `Adapter.load` may be told in its config; None where there is no choice.
    """

    name: str
    summary: str
    load: str | Callable[[], type[Adapter]]
    provides: frozenset[str]
    spaces: Mapping[str, frozenset[str]] = field(default_factory=dict)
    options: str | Callable[[], type[Options]] | None = None

    def __post_init__(self) -> None:
        for words in (self.provides, *self.spaces.values()):
            _check_words(self.name, words)

    def resolve(self) -> type[Adapter]:
        """Import the class and return it. Raises `PluginError` if that fails."""
        found: type[Adapter] = _resolve("adapter", self.name, self.load)
        return found

    def provided(self, space: str | None = None) -> frozenset[str]:
        """Return what the architecture provides in a space; None is the usual one."""
        return self.provides if space is None else self.spaces.get(space, self.provides)

    def schema(self) -> type[Options]:
        """Import the model of the options, without torch, and return it. Raises `PluginError` if that fails."""
        return _schema(self.name, self.options)


@dataclass(frozen=True, kw_only=True)
class AnalyzerPlugin:
    """Announce an analysis: its name, a line about it, what it requires, and where its options and its class are.

    Importing `options` must not import torch; importing the class may. `local` says that the analysis sets a region
    against the rest of the image, so that it cannot be asked about the whole.
    """

    name: str
    summary: str
    load: str | Callable[[], type[Analyzer[Any]]]
    requires: frozenset[str]
    options: str | Callable[[], type[Options]] | None = None
    local: bool = False

    def __post_init__(self) -> None:
        _check_words(self.name, self.requires)

    def resolve(self) -> type[Analyzer[Any]]:
        """Import the class and return it. Raises `PluginError` if that fails."""
        found: type[Analyzer[Any]] = _resolve("analyzer", self.name, self.load)
        return found

    def schema(self) -> type[Options]:
        """Import the model of the options, without torch, and return it. Raises `PluginError` if that fails."""
        return _schema(self.name, self.options)

    def obstacle(self, adapter: AdapterPlugin, space: str | None = None) -> str | None:
        """Say why this analysis cannot run on `adapter` in a space, or return None where it can."""
        missing = sorted(self.requires - adapter.provided(space))
        if not missing:
            return None
        where = f"{adapter.name} does not provide" + (f" in {space}" if space else "")
        return f"{self.name} needs {' and '.join(missing)}, which {where}"


@dataclass(frozen=True, kw_only=True)
class ScorerPlugin:
    """Announce an attribute predictor: its name, a line about it, its attributes, and where its class is.

    `attributes` are those of the class; see `zoo.Scorer`.
    """

    name: str
    summary: str
    load: str | Callable[[], type[Scorer]]
    attributes: tuple[str, ...]

    def resolve(self) -> type[Scorer]:
        """Import the class and return it. Raises `PluginError` if that fails."""
        found: type[Scorer] = _resolve("scorer", self.name, self.load)
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the attributes, each once, without the values of categorical ones."""
        return tuple(dict.fromkeys(attribute.partition("=")[0] for attribute in self.attributes))


def _schema(name: str, target: str | Callable[[], type[Options]] | None) -> type[Options]:
    from zoo.core.options import Options

    return Options if target is None else _resolve("options", name, target)


def _resolve(kind: str, name: str, target: str | Callable[[], Any]) -> Any:
    try:
        return pkgutil.resolve_name(target) if isinstance(target, str) else target()
    except Exception as error:
        what = f"the options of {name}" if kind == "options" else f"the {kind} {name}"
        verb = "cannot be loaded"
        raise PluginError(f"{what} {verb}: {type(error).__name__}: {error}") from error


def _check_words(name: str, words: frozenset[str]) -> None:
    unknown = sorted(set(words) - set(CAPABILITIES))
    if unknown:
        raise ValueError(f"{name}: {unknown[0]!r} is no capability; there are {', '.join(CAPABILITIES)}")
