"""The five hooks through which everything reaches zoo, built-ins included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from zoo.plugins.entries import AdapterPlugin, AnalyzerPlugin, ScorerPlugin

if TYPE_CHECKING:
    import typer

hookspec = pluggy.HookspecMarker("zoo")
hookimpl = pluggy.HookimplMarker("zoo")
"""Marks a plugin's function as one of the hooks."""


@hookspec
def zoo_adapters() -> Sequence[AdapterPlugin]:  # type: ignore[empty-body]
    """Return the architectures that this plugin adds."""


@hookspec
def zoo_analyzers() -> Sequence[AnalyzerPlugin]:  # type: ignore[empty-body]
    """Return the analyses that this plugin adds."""


@hookspec
def zoo_scorers() -> Sequence[ScorerPlugin]:  # type: ignore[empty-body]
    """Return the attribute predictors that this plugin adds."""


@hookspec
def zoo_registries() -> Sequence[Path]:  # type: ignore[empty-body]
    """Return registry files (YAML, in the form of ``registry.yaml``) whose models this plugin adds."""


@hookspec
def zoo_commands(app: typer.Typer) -> None:
    """Add commands to the command line; called once, when the command line starts."""
