"""What a BigGAN can be told."""

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames


class BigGANOptions(Options):
    """Options of a BigGAN."""

    epsilon: float = Field(1e-5, gt=0, description="what the blocks' normalisations add to variances")
    classes: ClassNames = Field((), description="names of the classes; or their numbers")
