"""ReSeFa: local directions in closed form, as a generalized eigenproblem."""

from typing import TYPE_CHECKING

from zoo import AnalyzerPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Options


def _load() -> type:
    from zoo_analyzers.resefa.analyzer import ReSeFa

    return ReSeFa


def _options() -> "type[Options]":
    from zoo_analyzers.resefa.options import ReSeFaOptions

    return ReSeFaOptions


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce ReSeFa."""
    return [
        AnalyzerPlugin(
            name="resefa",
            summary="local edits in closed form: the region's change over the rest's (Zhu et al., ICML 2022)",
            load=_load,
            requires=frozenset({"derivative", "region"}),
            options=_options,
            local=True,
        )
    ]
