"""The options of the lowrank analysis."""

from typing import Literal

from pydantic import Field

from zoo.jacobian import OutputOptions


class LowRankOptions(OutputOptions):
    """The options of the lowrank analysis."""

    factorization: Literal["spectrum", "pursuit", "published"] = Field(
        "spectrum",
        description="spectrum: eigenvectors; pursuit: low rank plus sparse, solved; published: the released loop",
    )
    energy: float = Field(0.9, gt=0, le=1, description="share of the trace that the kept eigenvectors carry (spectrum)")
    k: int | None = Field(
        None,
        ge=1,
        description="return this many directions, whatever their energy; or at most, for the other factorizations; by "
        "default 10 in spaces of more than 8,192 numbers",
    )
    method: Literal["auto", "exact", "sketched"] = Field(
        "auto", description="the whole Jacobian, or a search for its k leading directions; auto: what is cheaper"
    )
    chunk: int | None = Field(
        None, ge=1, description="tangents differentiated at a time; by default chosen by image size"
    )
