"""The options of the nullspace analysis."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from zoo.jacobian import OutputOptions


class NullSpaceOptions(OutputOptions):
    """The options of the nullspace analysis."""

    directions: Path | None = Field(None, description="file of directions to make local; by default the region's own")
    directions_as: Literal["directions", "columns", "rows"] | None = Field(
        None, description="how to read an array of directions whose shape leaves it open"
    )
    factorization: Literal["spectrum", "pursuit", "published"] = Field(
        "spectrum",
        description="spectrum: eigenvectors; pursuit: low rank plus sparse, solved; published: the released loop",
    )
    energy: float = Field(0.9, gt=0, le=1, description="share of the region's trace that the foreground carries")
    background_energy: float = Field(0.97, gt=0, le=1, description="share of the rest's trace that is projected out")
    relax: int = Field(0, ge=0, description="project out this many background directions fewer")
    k: int | None = Field(None, ge=1, description="return at most this many directions")
    chunk: int | None = Field(
        None, ge=1, description="tangents differentiated at a time; by default chosen by image size"
    )
