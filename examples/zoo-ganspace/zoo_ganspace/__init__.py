"""GANSpace for zoo: principal components of codes, or of what the first layer makes of them."""

from typing import TYPE_CHECKING

from zoo import AnalyzerPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Analyzer, Options
    from zoo_ganspace.options import GANSpaceOptions


def _load() -> "type[Analyzer[GANSpaceOptions]]":
    from zoo_ganspace.analyzer import GANSpace

    return GANSpace


def _options() -> "type[Options]":
    from zoo_ganspace.options import GANSpaceOptions

    return GANSpaceOptions


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce GANSpace."""
    return [
        AnalyzerPlugin(
            name="ganspace",
            summary="principal components of sampled codes or activations (Härkönen et al., NeurIPS 2020)",
            load=_load,
            requires=frozenset({"projection"}),
            options=_options,
        )
    ]
