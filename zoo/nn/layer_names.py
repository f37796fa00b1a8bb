"""Names of the layers of style-based networks: resolutions, and the literature's coarse, middle and fine. No torch."""

from __future__ import annotations

from collections.abc import Sequence

# Rows of w by the words of the StyleGAN paper (Karras et al., CVPR 2019, figure 3): 4² and 8² pixels, 16² and 32², and
# everything above, with two rows for each resolution. pSp (Richardson et al., CVPR 2021) and StyleCLIP (Patashnik et
# al., ICCV 2021) use the same rows for StyleGAN2.
_COARSE, _MIDDLE = 4, 8


def name_resolutions(sides: Sequence[int | tuple[int, int]]) -> dict[str, tuple[int, ...]]:
    """Name layers after the size of the maps that they compute.

    Args:
        sides: height and width of each layer's map, in pixels, from layer 0 on; pairs where they differ.

    Returns:
        The layers by names such as ``64x64``, from the first layer's on.
    """
    names: dict[str, tuple[int, ...]] = {}
    for layer, side in enumerate(sides):
        height, width = side if isinstance(side, tuple) else (side, side)
        names[f"{height}x{width}"] = (*names.get(f"{height}x{width}", ()), layer)
    return names


def name_scales(rows: int) -> dict[str, tuple[int, ...]]:
    """Split the rows of w into coarse (0-3), middle (4-7) and fine ones (from 8 on), as the literature does.

    Args:
        rows: how many rows there are.

    Returns:
        The rows by name; a name without any is left out.
    """
    cuts = {"coarse": (0, _COARSE), "middle": (_COARSE, _MIDDLE), "fine": (_MIDDLE, rows)}
    return {name: tuple(range(first, min(end, rows))) for name, (first, end) in cuts.items() if first < rows}


def name_row_pairs(space: str, rows: int, resolution: int) -> dict[str, tuple[int, ...]]:
    """Name the rows of w of a network with two rows for each resolution, from 4x4 pixels on.

    Args:
        space: the latent space; in any other than w, rows have no names.
        rows: how many rows there are.
        resolution: height and width of the images.

    Returns:
        The rows by name.
    """
    if space != "w":
        return {}
    return {**name_resolutions([4 << row // 2 for row in range(rows)]), **name_scales(rows)}
