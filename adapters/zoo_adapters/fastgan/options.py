"""The options of the FastGAN and lightweight-gan adapters."""

from typing import Literal

from pydantic import Field

from zoo import Options


class NoiseOptions(Options):
    """The options of both adapters."""

    noise: Literal["none", "drawn"] = Field(
        "none", description="the noise, which the original draws anew for every image: left out, or drawn once"
    )
    noise_seed: int = Field(0, ge=0, lt=2**32, description="the seed of noise that is drawn")


class LightweightOptions(NoiseOptions):
    """The options of the lightweight-gan adapter."""

    upsampling: Literal["nearest", "bilinear"] = Field(
        "nearest", description="how maps are enlarged, if neither weights nor the file tell: bilinear is version 0.21.3"
    )


class FastGANOptions(NoiseOptions):
    """The options of the FastGAN adapter."""

    output_activation: Literal["tanh", "none"] = Field(
        "tanh",
        description="what follows the last convolution; unless chosen, tanh for 1024 x 1024 pixels, else none",
    )
