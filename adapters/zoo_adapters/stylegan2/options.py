"""What a StyleGAN2 can be told."""

from typing import Annotated, Literal

from pydantic import Field

from zoo import Options
from zoo.options import ClassNames


class StyleGAN2Options(Options):
    """Options of a StyleGAN2."""

    noise: Literal["stored", "none"] | Annotated[int, Field(ge=0, lt=2**32)] = Field(
        "stored", description="the noise of all pictures: the file's own, none, or drawn anew from a seed"
    )
    cutoff: int | None = Field(
        None, ge=0, description="how many rows of w a truncation acts on, from the first; or all"
    )
    classes: ClassNames = Field((), description="names of the classes of a conditional network; or their numbers")
