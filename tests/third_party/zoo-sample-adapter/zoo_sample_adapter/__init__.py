"""A plugin for zoo: a small style-based architecture, a model of it, an analysis and a command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo import AdapterPlugin, AnalyzerPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Adapter, Analyzer, Options
    from zoo_sample_adapter.options import RandomOptions


def _mosaic() -> "type[Adapter]":
    from zoo_sample_adapter.adapter import Mosaic

    return Mosaic


def _mosaic_options() -> "type[Options]":
    from zoo_sample_adapter.options import MosaicOptions

    return MosaicOptions


def _random() -> "type[Analyzer[RandomOptions]]":
    from zoo_sample_adapter.random_orthonormal import RandomOrthonormal

    return RandomOrthonormal


def _random_options() -> "type[Options]":
    from zoo_sample_adapter.options import RandomOptions

    return RandomOptions


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce the architecture."""
    return [
        AdapterPlugin(
            name="mosaic",
            summary="four modulated convolutions, a row of w for each",
            load=_mosaic,
            provides=frozenset({"projection", "derivative", "region"}),
            options=_mosaic_options,
        )
    ]


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce the analysis."""
    return [
        AnalyzerPlugin(
            name="random-orthonormal",
            summary="random orthonormal directions, the baseline that an analysis has to beat",
            load=_random,
            requires=frozenset(),
            options=_random_options,
        )
    ]


@hookimpl
def zoo_registries() -> list[Path]:
    """Ship a model."""
    return [Path(__file__).with_name("registry.yaml")]


@hookimpl
def zoo_commands(app: typer.Typer) -> None:
    """Add ``zoo mosaic-mean``."""

    @app.command("mosaic-mean")
    def mean(model: Annotated[str, typer.Argument(metavar="MODEL", help="A mosaic of 'zoo list'.")]) -> None:
        """Print the length of a mosaic's mean code."""
        import zoo

        adapter = zoo.load(model, device="cpu").adapter
        mean_code = adapter.network.get_buffer("mean")
        typer.echo(f"{model}: the mean of {adapter.space} has length {float(mean_code.norm()):.3f}")
