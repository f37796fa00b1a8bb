"""What a plugin registers: entries that are light to import and load the heavy part on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.options import Options

if TYPE_CHECKING:
    from zoo.adapter import Adapter
    from zoo.analyzer import Analyzer, Scorer

CAPABILITIES = {
    "projection": "declares the weights that first touch the latent code",
    "derivative": "forward- and reverse-mode differentiable in the latent code",
    "region": "renders pixels, so that regions can be cut from its output",
    "labels": "takes class labels",
}
"""The words that `AdapterPlugin.provides` and `AnalyzerPlugin.requires` are made of."""


@dataclass(frozen=True, kw_only=True)
class AdapterPlugin:
    """Announce an architecture: its name, a line about it, what it provides, and how to load its `Adapter` class."""

    name: str
    summary: str
    load: Callable[[], type[Adapter]]
    provides: frozenset[str]
    options: type[Options] = Options

    def __post_init__(self) -> None:
        _check_words(self.name, self.provides)


@dataclass(frozen=True, kw_only=True)
class AnalyzerPlugin:
    """Announce an analysis: its name, a line about it, what it requires, its options, and how to load its class.

    `local` says that it sets a region against the rest of the image, so that it cannot be asked about the whole.
    """

    name: str
    summary: str
    load: Callable[[], type[Analyzer]]
    requires: frozenset[str]
    options: type[Options] = Options
    local: bool = False

    def __post_init__(self) -> None:
        _check_words(self.name, self.requires)

    def obstacle(self, adapter: AdapterPlugin) -> str | None:
        """Say why this analysis cannot run on `adapter`, or return None where it can."""
        missing = sorted(self.requires - adapter.provides)
        if not missing:
            return None
        return f"{self.name} needs {' and '.join(missing)}, which {adapter.name} does not provide"


@dataclass(frozen=True, kw_only=True)
class ScorerPlugin:
    """Announce an attribute predictor: its name, a line about it, its attributes, and how to load its class."""

    name: str
    summary: str
    load: Callable[[], type[Scorer]]
    attributes: tuple[str, ...]


def _check_words(name: str, words: frozenset[str]) -> None:
    unknown = sorted(set(words) - set(CAPABILITIES))
    if unknown:
        raise ValueError(f"{name}: {unknown[0]!r} is no capability; there are {', '.join(CAPABILITIES)}")
