"""The options of the R3GAN adapter."""

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames


class R3GANOptions(Options):
    """The options of the R3GAN adapter."""

    classes: ClassNames = Field((), description="names of the classes of a conditional network; or their numbers")
