"""What the rows of a StyleSwin's w are called: two rows for each resolution. This module does not import torch."""

from zoo.nn import name_resolutions, name_scales


def name_layers(space: str, rows: int, resolution: int) -> dict[str, tuple[int, ...]]:
    """Name the rows of w.

    Args:
        space: the latent space; the single row of z has no name.
        rows: how many rows there are.
        resolution: height and width of the images.

    Returns:
        The rows by name.
    """
    if space != "w":
        return {}
    return {**name_resolutions([4 << row // 2 for row in range(rows)]), **name_scales(rows)}
