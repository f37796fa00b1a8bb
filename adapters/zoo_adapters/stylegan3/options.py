"""The options of the StyleGAN3 adapter."""

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames


class StyleGAN3Options(Options):
    """The options of the StyleGAN3 adapter."""

    cutoff: int | None = Field(None, ge=0, description="how many rows of w truncation acts on, from the first; or all")
    classes: ClassNames = Field((), description="names of the classes of a conditional network; or their numbers")
