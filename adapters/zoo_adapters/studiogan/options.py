"""What a network of StudioGAN can be told."""

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames


class StudioGANOptions(Options):
    """Options of a network of StudioGAN."""

    classes: ClassNames = Field((), description="names of the classes of a conditional network; or their numbers")
