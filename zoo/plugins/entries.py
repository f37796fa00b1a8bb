"""What a plugin registers: entries that are light to import and load the heavy part on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
    """Announce an architecture: its name, a line about it, what it provides, and how to load its `Adapter` class.

    `provides` speaks of the usual space; `spaces` says what others provide, where that is something else. `options`
    loads the model of what `Adapter.load` may be told in its config; None where there is no choice.
    """

    name: str
    summary: str
    load: Callable[[], type[Adapter]]
    provides: frozenset[str]
    spaces: Mapping[str, frozenset[str]] = field(default_factory=dict)
    options: Callable[[], type[Options]] | None = None

    def __post_init__(self) -> None:
        for words in (self.provides, *self.spaces.values()):
            _check_words(self.name, words)

    def provided(self, space: str | None = None) -> frozenset[str]:
        """Return what the architecture provides in a space; None is the usual one."""
        return self.provides if space is None else self.spaces.get(space, self.provides)

    def schema(self) -> type[Options]:
        """Return the model of the options; importing it does not import torch."""
        return _schema(self.options)


@dataclass(frozen=True, kw_only=True)
class AnalyzerPlugin:
    """Announce an analysis: its name, a line about it, what it requires, and how to load its options and its class.

    Neither the entry nor `options` may import torch; `load` may. `local` says that the analysis sets a region against
    the rest of the image, so that it cannot be asked about the whole.
    """

    name: str
    summary: str
    load: Callable[[], type[Analyzer[Any]]]
    requires: frozenset[str]
    options: Callable[[], type[Options]] | None = None
    local: bool = False

    def __post_init__(self) -> None:
        _check_words(self.name, self.requires)

    def schema(self) -> type[Options]:
        """Return the model of the options; importing it does not import torch."""
        return _schema(self.options)

    def obstacle(self, adapter: AdapterPlugin, space: str | None = None) -> str | None:
        """Say why this analysis cannot run on `adapter` in a space, or return None where it can."""
        missing = sorted(self.requires - adapter.provided(space))
        if not missing:
            return None
        where = f"{adapter.name} does not provide" + (f" in {space}" if space else "")
        return f"{self.name} needs {' and '.join(missing)}, which {where}"


@dataclass(frozen=True, kw_only=True)
class ScorerPlugin:
    """Announce an attribute predictor: its name, a line about it, its attributes, and how to load its class.

    `attributes` are those of the class; see `zoo.Scorer`.
    """

    name: str
    summary: str
    load: Callable[[], type[Scorer]]
    attributes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the attributes, each once, without the values of categorical ones."""
        return tuple(dict.fromkeys(attribute.partition("=")[0] for attribute in self.attributes))


def _schema(load: Callable[[], type[Options]] | None) -> type[Options]:
    from zoo.core.options import Options

    return Options if load is None else load()


def _check_words(name: str, words: frozenset[str]) -> None:
    unknown = sorted(set(words) - set(CAPABILITIES))
    if unknown:
        raise ValueError(f"{name}: {unknown[0]!r} is no capability; there are {', '.join(CAPABILITIES)}")
