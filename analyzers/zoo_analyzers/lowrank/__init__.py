"""LowRankGAN: low-rank factorization of a region's Jacobian."""

from typing import TYPE_CHECKING

from zoo import AnalyzerPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Options


def _load() -> type:
    from zoo_analyzers.lowrank.analyzer import LowRank

    return LowRank


def _options() -> "type[Options]":
    from zoo_analyzers.lowrank.options import LowRankOptions

    return LowRankOptions


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce the low-rank factorization."""
    return [
        AnalyzerPlugin(
            name="lowrank",
            summary="low-rank Jacobian of an image region (Zhu et al., NeurIPS 2021)",
            load=_load,
            requires=frozenset({"derivative", "region"}),
            options=_options,
        )
    ]
