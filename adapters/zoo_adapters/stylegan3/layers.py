"""What the rows of a StyleGAN3's w are called. This module does not import torch."""

from collections.abc import Sequence
from math import ceil, log2

from zoo.nn import name_resolutions

# Of NVIDIA's training, in both configurations: the cutoff of the first layer, by how much the last stopband exceeds its
# cutoff, and how many layers at the end have the image's own rate (section 3.2 and table 1 of Karras et al., NeurIPS
# 2021). The first stopband is 2**2.1.
_FIRST_CUTOFF, _FIRST_STOPBAND, _LAST_STOPBAND, _CRITICAL = 2, 2**2.1, 2**0.3, 2


def name_layers(space: str, rows: int, resolution: int) -> dict[str, tuple[int, ...]]:
    """Name the rows of w of a network with the rates that NVIDIA's training chooses.

    Args:
        space: the latent space; the single row of z has no name.
        rows: how many rows there are.
        resolution: height and width of the images.

    Returns:
        The rows by name.
    """
    if space != "w":
        return {}
    count = rows - 2
    last = resolution / 2 * _LAST_STOPBAND
    shares = (min(index / (count - _CRITICAL), 1) for index in range(count))
    stopbands = (_FIRST_STOPBAND * (last / _FIRST_STOPBAND) ** share for share in shares)
    return name_rows([2 ** ceil(log2(min(2 * stopband, resolution))) for stopband in stopbands])


def name_rows(rates: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Name the rows of w after the sampling rates of the maps: a map has that many points along the image's side.

    Args:
        rates: the rate of each layer's output.

    Returns:
        The rows by name: ``input`` for the Fourier features, then the rates, then ``ToRGB``.
    """
    layers = {name: tuple(row + 1 for row in rows) for name, rows in name_resolutions(rates).items()}
    return {"input": (0,), **layers, "ToRGB": (len(rates) + 1,)}
