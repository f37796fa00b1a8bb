"""SeFa: closed-form factorization of the weights that first touch the latent code."""

from zoo import AnalyzerPlugin, hookimpl


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce SeFa."""
    return [
        AnalyzerPlugin(
            name="sefa",
            summary="closed form, from the weights alone (Shen & Zhou, CVPR 2021)",
            load="zoo_analyzers.sefa.analyzer:SeFa",
            requires=frozenset({"projection"}),
            options="zoo_analyzers.sefa.options:SeFaOptions",
        )
    ]
