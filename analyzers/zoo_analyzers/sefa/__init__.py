"""SeFa: closed-form factorization of the weights that first touch the latent code."""

from typing import TYPE_CHECKING

from zoo import AnalyzerPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Options


def _load() -> type:
    from zoo_analyzers.sefa.analyzer import SeFa

    return SeFa


def _options() -> "type[Options]":
    from zoo_analyzers.sefa.options import SeFaOptions

    return SeFaOptions


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce SeFa."""
    return [
        AnalyzerPlugin(
            name="sefa",
            summary="closed form, from the weights alone (Shen & Zhou, CVPR 2021)",
            load=_load,
            requires=frozenset({"projection"}),
            options=_options,
        )
    ]
