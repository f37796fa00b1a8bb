"""The options of a network of lightweight-gan."""

from typing import Literal

from pydantic import Field

from zoo import Options


class LightweightGANOptions(Options):
    """The options of a network of lightweight-gan.

    Attributes:
        noise: whether to leave out the noise that the package draws for every image, or to draw it once.
        noise_seed: the seed of noise that is drawn.

    """

    noise: Literal["none", "drawn"] = Field(
        "none", description="the noise, which the package draws anew for every image: left out, or drawn once"
    )
    noise_seed: int = Field(0, ge=0, lt=2**32, description="the seed of noise that is drawn")
