"""The options of the nullspace analysis."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from zoo.core import Names
from zoo.jacobian import OutputOptions


class NullSpaceOptions(OutputOptions):
    """The options of the nullspace analysis."""

    basis: Literal["generalized", "published"] | None = Field(
        None,
        description="generalized: directions of the null space that do different things; published: the region's own "
        "directions, or those of a file, projected one by one; by default published for directions or "
        "factorization=published, and else generalized",
    )
    directions: Path | None = Field(None, description="file of directions to make local; by default the region's own")
    directions_as: Literal["directions", "columns", "rows"] | None = Field(
        None, description="how to read an array of directions whose shape leaves it open"
    )
    preserve: Names = Field(
        (),
        description="scored attributes to keep beside the pixels outside of the region, with commas, such as "
        "background,eyes; not:hair_colour is all others",
    )
    scorer: str | None = Field(None, description="the scorer of these attributes; by default the only one that fits")
    factorization: Literal["spectrum", "pursuit", "published"] = Field(
        "spectrum",
        description="spectrum: eigenvectors; pursuit: low rank plus sparse, solved; published: the released loop",
    )
    energy: float = Field(0.9, gt=0, le=1, description="share of the region's trace that the foreground carries")
    background_energy: float | None = Field(
        None,
        gt=0,
        le=1,
        description="share of the rest's trace that is projected out; by default 0.8, or 0.3 with preserve, and 0.97 "
        "for basis=published",
    )
    tau: float = Field(
        1e-4, gt=0, description="share of the rest's trace that is added to each of its eigenvalues (generalized)"
    )
    background_rank: int | None = Field(
        None,
        ge=1,
        description="how many directions of the rest are projected out, instead of a share of its trace; by default 20 "
        "in a search",
    )
    method: Literal["auto", "exact", "sketched"] = Field(
        "auto",
        description="whole Jacobians, or a search for leading directions of the region and of the rest; auto: a search "
        "in spaces of more than 8,192 numbers",
    )
    relax: int = Field(0, ge=0, description="project out this many background directions fewer")
    k: int | None = Field(
        None, ge=1, description="return at most this many directions; by default 10 in a search, and else all"
    )
    chunk: int | None = Field(
        None, ge=1, description="tangents differentiated at a time; by default chosen by image size"
    )

    @property
    def generalized(self) -> bool:
        """Whether the null space gets a basis of its own, instead of directions that are projected onto it."""
        if self.basis is not None:
            return self.basis == "generalized"
        return self.directions is None and self.factorization != "published"

    @property
    def share_projected_out(self) -> float:
        """The share of the rest's trace that is projected out."""
        if self.background_energy is not None:
            return self.background_energy
        if not self.generalized:
            return 0.97
        # Gradients of attributes spread over many directions, which the quotient weighs better than a projection.
        return 0.3 if self.preserve else 0.8
