"""The options of the StyleGAN2 adapter."""

from typing import Literal

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames, PositiveOrNone


class StyleGAN2Options(Options):
    """The options of the StyleGAN2 adapter."""

    noise: Literal["stored", "none", "drawn"] = Field(
        "stored", description="the noise of all images: the file's own, none, or drawn by `noise_seed`"
    )
    noise_seed: int = Field(0, ge=0, lt=2**32, description="the seed of noise that is drawn")
    cutoff: int | None = Field(None, ge=0, description="how many rows of w truncation acts on, from the first; or all")
    z_dim: int | None = Field(None, gt=0, description="numbers of z, if the file does not tell")
    lr_mlp: float = Field(
        0.01, gt=0, description="the learning-rate multiplier of the mapping network, instead of the file's own"
    )
    conv_clamp: PositiveOrNone = Field(
        None, description="the bound of activations, instead of the file's own; none for no bound"
    )
    classes: ClassNames = Field((), description="names of the classes of a conditional network; or their numbers")
