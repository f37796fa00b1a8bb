"""ReSeFa: local directions in closed form, as a generalized eigenproblem."""

from zoo import AnalyzerPlugin, hookimpl


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce ReSeFa."""
    return [
        AnalyzerPlugin(
            name="resefa",
            summary="local edits in closed form: the region's change over the rest's (Zhu et al., ICML 2022)",
            load="zoo_analyzers.resefa.analyzer:ReSeFa",
            requires=frozenset({"derivative", "region"}),
            options="zoo_analyzers.resefa.options:ReSeFaOptions",
            local=True,
        )
    ]
