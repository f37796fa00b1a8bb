"""The StyleGAN-XL adapter: StyleGAN3 with a table of classes, a mean code for each, and stages of layers."""

from typing import Self

from zoo_adapters.stylegan3.adapter import StyleGAN3
from zoo_adapters.stylegan3.network import untrained
from zoo_adapters.stylegan3.xl_checkpoint import LAYOUTS


class StyleGANXL(StyleGAN3):
    """A StyleGAN-XL generator (Sauer et al., SIGGRAPH 2022), in w (a row for the input and for each layer) or in z.

    Its layers are those of StyleGAN3. A superresolution stage replaces the last layers, which are critically sampled,
    by further ones (section 3.3), so that the number of rows depends on the stages. z is shorter than w, and truncation
    moves codes towards the mean of their class.
    """

    family = "StyleGAN-XL"
    layouts = LAYOUTS

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of configuration T with three classes, of 8x8 pixels, with codes of 4 x 6 numbers.

        Args:
            seed: the same seed gives the same weights.

        Returns:
            The adapter.
        """
        return cls(untrained(6, [4, 4, 3], [8, 10, 8], seed, classes=3, z_dim=4, w_avg_per_class=True))
