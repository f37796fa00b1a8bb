"""The options of the BigGAN-deep adapter."""

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames


class BigGANDeepOptions(Options):
    """The options of the BigGAN-deep adapter."""

    epsilon: float = Field(1e-4, gt=0, description="what normalisations add to variances, instead of the file's own")
    classes: ClassNames = Field((), description="names of the classes; or their numbers")
