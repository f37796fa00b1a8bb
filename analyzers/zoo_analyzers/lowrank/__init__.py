"""LowRankGAN: low-rank factorization of a region's Jacobian."""

from typing import Literal

from pydantic import Field

from zoo import AnalyzerPlugin, Options, hookimpl


class LowRankOptions(Options):
    """Options of the low-rank factorization."""

    factorization: Literal["spectrum", "published"] = Field(
        "spectrum", description="spectrum: eigenvectors; published: the released ADMM, for parity"
    )
    energy: float = Field(0.9, gt=0, le=1, description="share of the trace that the kept eigenvectors carry (spectrum)")
    k: int | None = Field(None, ge=1, description="return at most this many directions")
    chunk: int | None = Field(None, ge=1, description="tangents pushed at a time; by default chosen by image size")


def _load() -> type:
    from zoo_analyzers.lowrank.analyzer import LowRank

    return LowRank


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce the low-rank factorization."""
    return [
        AnalyzerPlugin(
            name="lowrank",
            summary="low-rank Jacobian of an image region (Zhu et al., NeurIPS 2021)",
            load=_load,
            requires=frozenset({"derivative", "region"}),
            options=LowRankOptions,
        )
    ]
