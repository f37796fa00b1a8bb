"""The options of the StyleGAN2 adapter."""

from typing import Literal

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames


class StyleGAN2Options(Options):
    """The options of the StyleGAN2 adapter."""

    noise: Literal["stored", "none", "drawn"] = Field(
        "stored", description="the noise of all images: the file's own, none, or drawn by `noise_seed`"
    )
    noise_seed: int = Field(0, ge=0, lt=2**32, description="the seed of noise that is drawn")
    cutoff: int | None = Field(None, ge=0, description="how many rows of w truncation acts on, from the first; or all")
    conv_clamp: float | None = Field(None, gt=0, description="the bound of activations, if the file has none")
    classes: ClassNames = Field((), description="names of the classes of a conditional network; or their numbers")
