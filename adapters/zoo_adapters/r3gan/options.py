"""What an R3GAN can be told."""

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames


class R3GANOptions(Options):
    """Options of an R3GAN."""

    classes: ClassNames = Field((), description="names of the classes of a conditional network; or their numbers")
