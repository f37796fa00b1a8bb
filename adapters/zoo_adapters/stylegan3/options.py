"""The options of the StyleGAN3 adapter."""

from pydantic import Field

from zoo import Options
from zoo.core import ClassNames, PositiveOrNone


class StyleGAN3Options(Options):
    """The options of the StyleGAN3 adapter."""

    cutoff: int | None = Field(None, ge=0, description="how many rows of w truncation acts on, from the first; or all")
    z_dim: int | None = Field(None, gt=0, description="numbers of z, if the file does not tell")
    lr_mlp: float = Field(
        0.01, gt=0, description="the learning-rate multiplier of the mapping network, instead of the file's own"
    )
    conv_clamp: PositiveOrNone = Field(
        256.0, description="the bound of activations, instead of the file's own; none for no bound"
    )
    output_scale: float = Field(0.25, gt=0, description="the factor of the image, instead of the file's own")
    lrelu_upsampling: int = Field(
        2, gt=0, description="the factor of the rate at which nonlinearities act, if the filters do not tell"
    )
    classes: ClassNames = Field((), description="names of the classes of a conditional network; or their numbers")
