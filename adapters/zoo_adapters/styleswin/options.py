"""The options of the StyleSwin adapter."""

from pydantic import Field

from zoo import Options


class StyleSwinOptions(Options):
    """The options of the StyleSwin adapter."""

    cutoff: int | None = Field(None, ge=0, description="how many rows of w truncation acts on, from the first; or all")
    lr_mlp: float = Field(0.01, gt=0, description="the learning-rate multiplier of the mapping network")
