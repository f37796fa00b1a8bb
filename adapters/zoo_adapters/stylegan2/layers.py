"""What the rows of a StyleGAN2's w are called. This module does not import torch."""

from collections.abc import Sequence

from zoo.nn import name_resolutions, name_scales


def name_layers(space: str, rows: int, resolution: int) -> dict[str, tuple[int, ...]]:
    """Name the rows of w after the convolution that reads them; the last one is read by the last ToRGB alone.

    Args:
        space: the latent space; the single row of z has no name.
        rows: how many rows there are.
        resolution: height and width of the images.

    Returns:
        The rows by name.
    """
    if space != "w":
        return {}
    # 4x4 has one convolution, every other resolution two.
    return name_rows([min(4 << (row + 1) // 2, resolution) for row in range(rows)])


def name_rows(sizes: Sequence[int | tuple[int, int]]) -> dict[str, tuple[int, ...]]:
    """Name the rows of w after the maps that they reach, and as the literature does: coarse, middle and fine.

    Args:
        sizes: height and width of each row's map, in pixels; pairs where they differ.

    Returns:
        The rows by name.
    """
    return {**name_resolutions(sizes), **name_scales(len(sizes))}
