"""The options of the DCGAN adapter."""

from typing import Literal

from pydantic import Field

from zoo import Options


class DCGANOptions(Options):
    """The options of the DCGAN adapter."""

    epsilon: float = Field(1e-5, gt=0, description="what normalisations add to variances")
    negative_slope: float = Field(
        0.0, ge=0, le=1, description="the activations' factor of numbers below 0: 0 for ReLU, 0.2 for a usual leaky one"
    )
    output_activation: Literal["tanh", "sigmoid", "none"] = Field(
        "tanh", description="what follows the last convolution; without any, values beyond -1 and 1 are cut in pictures"
    )
