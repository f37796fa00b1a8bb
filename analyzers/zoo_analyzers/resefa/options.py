"""The options of the resefa analysis."""

from typing import Literal

from pydantic import Field

from zoo.jacobian import OutputOptions


class ReSeFaOptions(OutputOptions):
    """The options of the resefa analysis."""

    tau: float = Field(
        1e-3, ge=0, description="share of the rest's trace that is added to each of its eigenvalues; 0: none"
    )
    method: Literal["auto", "exact", "sketched"] = Field(
        "auto", description="the whole Jacobian, or a search for k leading directions; auto: what is cheaper"
    )
    k: int = Field(10, ge=1, description="how many directions to return, at most")
    chunk: int | None = Field(
        None, ge=1, description="tangents differentiated at a time; by default chosen by image size"
    )
