"""What LowRank can be told."""

from typing import Literal

from pydantic import Field

from zoo.output_options import OutputOptions


class LowRankOptions(OutputOptions):
    """Options of the low-rank factorization."""

    factorization: Literal["spectrum", "published"] = Field(
        "spectrum", description="spectrum: eigenvectors; published: the released ADMM, for parity"
    )
    energy: float = Field(0.9, gt=0, le=1, description="share of the trace that the kept eigenvectors carry (spectrum)")
    k: int | None = Field(None, ge=1, description="return at most this many directions")
    chunk: int | None = Field(None, ge=1, description="tangents pushed at a time; by default chosen by image size")
