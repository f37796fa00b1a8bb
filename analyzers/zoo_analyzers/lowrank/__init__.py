"""LowRankGAN: low-rank factorization of a region's Jacobian."""

from zoo import AnalyzerPlugin, hookimpl


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce the low-rank factorization."""
    return [
        AnalyzerPlugin(
            name="lowrank",
            summary="low-rank Jacobian of an image region (Zhu et al., NeurIPS 2021)",
            load="zoo_analyzers.lowrank.analyzer:LowRank",
            requires=frozenset({"derivative", "region"}),
            options="zoo_analyzers.lowrank.options:LowRankOptions",
        )
    ]
