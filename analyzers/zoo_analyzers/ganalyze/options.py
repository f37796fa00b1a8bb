"""The options of GANalyze."""

from typing import Literal

from pydantic import Field

from zoo import Options
from zoo.core import Names


class GANalyzeOptions(Options):
    """The options of GANalyze."""

    attributes: Names = Field(
        (),
        description="the attributes to change, with commas, a direction for each; hair_colour=red raises one value; by "
        "default all that the scorer knows",
    )
    preserve: Names | None = Field(
        None,
        description="the attributes to keep, with commas; not:style is all others but style, none is nothing; by "
        "default all others",
    )
    scorer: str | None = Field(None, description="the scorer of these attributes; not needed where only one fits")
    rows: Literal["each", "same"] = Field(
        "each", description="each: a vector for each row of the code; same: one for all rows"
    )
    weight: float = Field(1.0, ge=0, description="how much a change of a kept attribute costs")
    outside: float = Field(1.0, ge=0, description="how much a change of the pixels outside of the region costs")
    steps: int = Field(100, ge=1, le=100_000, description="steps of gradient descent")
    batch: int = Field(16, ge=1, description="how many codes each step takes")
