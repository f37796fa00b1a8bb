"""What LowRank can be told."""

from typing import Literal

from pydantic import Field

from zoo import Options


class LowRankOptions(Options):
    """Options of the low-rank factorization."""

    factorization: Literal["spectrum", "pursuit", "published"] = Field(
        "spectrum",
        description="spectrum: eigenvectors; pursuit: low rank plus sparse, solved; published: the released loop",
    )
    energy: float = Field(0.9, gt=0, le=1, description="share of the trace that the kept eigenvectors carry (spectrum)")
    k: int | None = Field(None, ge=1, description="return at most this many directions")
    chunk: int | None = Field(None, ge=1, description="tangents pushed at a time; by default chosen by image size")
