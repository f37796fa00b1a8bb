"""The options of the sefa analysis."""

from pydantic import Field

from zoo import Options


class SeFaOptions(Options):
    """The options of the sefa analysis."""

    k: int = Field(10, ge=1, description="how many directions to return, at most")
    normalize: bool = Field(
        True, description="scale each row of the weights to unit length first, as the released code"
    )
