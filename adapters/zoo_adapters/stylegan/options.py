"""The options of the StyleGAN adapter."""

from typing import Literal

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames


class StyleGANOptions(Options):
    """The options of the StyleGAN adapter."""

    noise: Literal["stored", "none", "drawn"] = Field(
        "stored", description="the noise of all images: the file's own, none, or drawn by `noise_seed`"
    )
    noise_seed: int = Field(0, ge=0, lt=2**32, description="the seed of noise that is drawn")
    cutoff: int = Field(8, ge=0, description="how many rows of w truncation acts on, from the first")
    lod: float = Field(
        0.0, ge=0, description="the level of detail, instead of the file's own: 1 leaves out the last resolution"
    )
    fused: Literal["auto", "always", "never"] = Field(
        "auto",
        description="which upsampling layers are transposed convolutions, instead of what the file says: "
        "those of 128 x 128 pixels and more, all or none",
    )
    z_dim: int | None = Field(None, gt=0, description="numbers of z, if the file does not tell")
    lr_mlp: float = Field(
        0.01, gt=0, description="the learning-rate multiplier of the mapping network, instead of the file's own"
    )
    classes: ClassNames = Field((), description="names of the classes of a conditional network; or their numbers")
