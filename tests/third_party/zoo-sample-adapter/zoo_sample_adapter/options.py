"""The options of the architecture and of the analyzer."""

from pydantic import Field

from zoo import Options


class MosaicOptions(Options):
    """The options of a mosaic.

    Attributes:
        gain: the contrast of the images.
    """

    gain: float = Field(1.0, gt=0, description="contrast of the picture")


class RandomOptions(Options):
    """The options of the random directions.

    Attributes:
        k: the largest number of directions.
    """

    k: int = Field(4, ge=1, description="how many directions to return, at most")
