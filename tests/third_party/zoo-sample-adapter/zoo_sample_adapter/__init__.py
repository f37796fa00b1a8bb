"""A plugin for zoo: a small style-based architecture, a model of it, an analysis and a command."""

from pathlib import Path
from typing import Annotated

import typer

from zoo import AdapterPlugin, AnalyzerPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Return the architecture."""
    return [
        AdapterPlugin(
            name="mosaic",
            summary="four modulated convolutions, a row of w for each",
            load="zoo_sample_adapter.adapter:Mosaic",
            provides=frozenset({"projection", "derivative", "region"}),
            options="zoo_sample_adapter.options:MosaicOptions",
        )
    ]


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Return the analyzer."""
    return [
        AnalyzerPlugin(
            name="random-orthonormal",
            summary="random orthonormal directions, a baseline for other analyses",
            load="zoo_sample_adapter.random_orthonormal:RandomOrthonormal",
            requires=frozenset(),
            options="zoo_sample_adapter.options:RandomOptions",
        )
    ]


@hookimpl
def zoo_registries() -> list[Path]:
    """Return the registry file of the model."""
    return [Path(__file__).with_name("registry.yaml")]


@hookimpl
def zoo_commands(app: typer.Typer) -> None:
    """Add the command ``zoo mosaic-mean``."""

    @app.command("mosaic-mean")
    def mean(model: Annotated[str, typer.Argument(metavar="MODEL", help="A mosaic that 'zoo list' shows.")]) -> None:
        """Print the length of a mosaic's mean code."""
        import zoo

        adapter = zoo.load(model, device="cpu").adapter
        mean_code = adapter.network.get_buffer("mean")
        typer.echo(f"{model}: the mean of {adapter.space} has length {float(mean_code.norm()):.3f}")
