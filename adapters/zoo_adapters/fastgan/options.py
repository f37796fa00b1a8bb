"""The options of the FastGAN adapter."""

from typing import Literal

from pydantic import Field

from zoo import Options


class FastGANOptions(Options):
    """The options of the FastGAN adapter."""

    noise: Literal["none", "drawn"] = Field(
        "none", description="the noise, which the original draws anew for every image: left out, or drawn once"
    )
    noise_seed: int = Field(0, ge=0, lt=2**32, description="the seed of noise that is drawn")
    output_activation: Literal["tanh", "none"] = Field(
        "tanh",
        description="what follows the last convolution; unless chosen, tanh for 1024 x 1024 pixels, else none",
    )
