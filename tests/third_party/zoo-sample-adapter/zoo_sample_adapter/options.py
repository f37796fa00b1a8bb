"""What the architecture and the analysis can be told."""

from pydantic import Field

from zoo import Options


class MosaicOptions(Options):
    """Options of a mosaic."""

    gain: float = Field(1.0, gt=0, description="contrast of the picture")


class RandomOptions(Options):
    """Options of the random directions."""

    k: int = Field(4, ge=1, description="how many directions to return, at most")
