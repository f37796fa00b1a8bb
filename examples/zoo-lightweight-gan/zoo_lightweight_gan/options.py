"""What a network of lightweight-gan can be told."""

from typing import Literal

from pydantic import Field

from zoo import Options


class LightweightGANOptions(Options):
    """Options of a network of lightweight-gan."""

    noise: Literal["none", "drawn"] = Field(
        "none", description="the noise that the package draws anew for every picture: left out, or drawn once"
    )
    noise_seed: int = Field(0, ge=0, lt=2**32, description="the seed of noise that is drawn")
