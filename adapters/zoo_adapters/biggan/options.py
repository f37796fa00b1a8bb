"""The options of the BigGAN adapter."""

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames


class BigGANOptions(Options):
    """The options of the BigGAN adapter."""

    epsilon: float = Field(1e-5, gt=0, description="what the blocks' normalisations add to variances")
    classes: ClassNames = Field((), description="names of the classes; or their numbers")
