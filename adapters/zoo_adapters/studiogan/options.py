"""The options of the StudioGAN adapter."""

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames


class StudioGANOptions(Options):
    """The options of the StudioGAN adapter."""

    classes: ClassNames = Field((), description="names of the classes of a conditional network; or their numbers")
