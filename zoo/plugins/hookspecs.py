"""The six hooks through which plugins, the built-ins included, add to zoo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from zoo.plugins.entries import AdapterPlugin, AnalyzerPlugin, ProjectorPlugin, ScorerPlugin

if TYPE_CHECKING:
    import typer

hookspec = pluggy.HookspecMarker("zoo")

# The decorator of a plugin's function that implements one of the hooks.
hookimpl = pluggy.HookimplMarker("zoo")


@hookspec
def zoo_adapters() -> Sequence[AdapterPlugin]:  # type: ignore[empty-body]
    """Return the architectures that this plugin adds."""


@hookspec
def zoo_analyzers() -> Sequence[AnalyzerPlugin]:  # type: ignore[empty-body]
    """Return the analyzers that this plugin adds."""


@hookspec
def zoo_scorers() -> Sequence[ScorerPlugin]:  # type: ignore[empty-body]
    """Return the scorers that this plugin adds."""


@hookspec
def zoo_projectors() -> Sequence[ProjectorPlugin]:  # type: ignore[empty-body]
    """Return the projectors that this plugin adds."""


@hookspec
def zoo_registries() -> Sequence[Path]:  # type: ignore[empty-body]
    """Return the registry files (YAML, like ``registry.yaml``) whose models this plugin adds."""


@hookspec
def zoo_commands(app: typer.Typer) -> None:
    """Add commands to the command line. Called once, when the command line starts.

    Args:
        app: the command line to add to.

    """
