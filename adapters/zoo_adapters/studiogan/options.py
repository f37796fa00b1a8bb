"""The options of the StudioGAN adapter."""

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames


class StudioGANOptions(Options):
    """The options of the StudioGAN adapter."""

    epsilon: float = Field(1e-4, gt=0, description="what normalisations add to variances, instead of the file's own")
    classes: ClassNames = Field((), description="names of the classes of a conditional network; or their numbers")
