"""What a StyleGAN3 file says beside the weights, as `checkpoint` writes it: types, and wide bounds."""

from typing import Annotated

from pydantic import Field

from zoo.core import Settings
from zoo.nn import StyleSettings

# Published networks have maps of at most 1,044 points, factors up to 16 and filters of up to 48 taps.
Points = Annotated[int, Field(ge=1, le=2**15)]
Factor = Annotated[int, Field(ge=1, le=256)]
Taps = Annotated[int, Field(ge=1, le=4096)]
Rate = Annotated[float, Field(gt=0, le=2**15)]


class Plan(Settings):
    """How one layer resamples; the attributes of `Resampling`, by the names of the file format."""

    inside: Points
    outside: Points
    up: Factor
    down: Factor
    upper: Taps
    lower: Taps
    before: int | None = Field(None, ge=-(2**15), le=2**15)


class StyleGAN3Settings(StyleSettings):
    """The settings of `network_from_state`."""

    plans: list[Plan] = Field(min_length=1, max_length=100)
    rate: Rate
    bandwidth: float = Field(ge=0, le=2**15)
    clamp: float | None = Field(gt=0)
    scale: float = Field(gt=0)
