"""The networks of MTCNN (Zhang et al., Joint Face Detection and Alignment Using Multitask Cascaded CNNs, 2016).

Each sees squares of a picture and tells whether a face is there; the later ones look closer. Values are in [-1, 1].
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

# The last convolution leaves this many positions a side, in both networks of squares.
_LAST_SIDE = 3


class Judged(NamedTuple):
    """What a network says of n squares.

    Attributes:
        face: The probability that a face is there, (n,).
        box: How far the sides of its box are from those of the square, as shares of the square's side, (n, 4): left,
            top, right, bottom.
        points: The five points as shares of the square's side, (n, 5, 2): x and y; (n, 0, 2) where none are found.
    """

    face: Tensor
    box: Tensor
    points: Tensor


class ProposalNetwork(nn.Module):
    """P-Net, a convolution over a whole picture: it sees squares of `SIDE` pixels, `STRIDE` pixels apart."""

    SIDE = 12
    STRIDE = 2

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 10, 3, pool=2), *_convolution(10, 16, 3), *_convolution(16, 32, 3)
        )
        self.face = nn.Conv2d(32, 2, 1)
        self.box = nn.Conv2d(32, 4, 1)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Look at every square of a picture.

        Args:
            picture: (1, 3, h, w).

        Returns:
            The probability of a face at each place, (rows, columns), and the box there, (rows, columns, 4), as `Judged`
            has it.
        """
        features = self.features(picture)
        return self.face(features).softmax(dim=1)[0, 1], self.box(features)[0].permute(1, 2, 0)


class SquareNetwork(nn.Module):
    """R-Net or O-Net, which look at one square each.

    Args:
        channels: Those of the convolutions.
        pools: The side of the pooling after each convolution but the last.
        width: Neurons of the hidden layer.
        points: Whether the network finds the five points.
    """

    def __init__(self, channels: tuple[int, ...], pools: tuple[int, ...], width: int, *, points: bool) -> None:
        super().__init__()
        pairs = zip((3, *channels), channels, strict=False)
        sides = (*[3] * len(pools), 2)
        layers = [_convolution(*pair, side, pool) for pair, side, pool in zip(pairs, sides, (*pools, 1), strict=True)]
        self.features = nn.Sequential(*(module for layer in layers for module in layer), nn.Flatten())
        self.hidden = nn.Sequential(nn.Linear(channels[-1] * _LAST_SIDE**2, width), nn.PReLU(width))
        self.face = nn.Linear(width, 2)
        self.box = nn.Linear(width, 4)
        self.points = nn.Linear(width, 10) if points else None

    def forward(self, squares: Tensor) -> Judged:
        """Judge squares.

        Args:
            squares: (n, 3, side, side).

        Returns:
            What they show.
        """
        hidden = self.hidden(self.features(squares))
        # The five x come first, then the five y.
        values = hidden[:, :0] if self.points is None else self.points(hidden)
        points = values.unflatten(1, (2, values.shape[1] // 2)).movedim(1, 2)
        return Judged(self.face(hidden).softmax(dim=1)[:, 1], self.box(hidden), points)


def refinement_network() -> SquareNetwork:
    """Build R-Net.

    Returns:
        The network, of squares of 24 pixels, without weights.
    """
    return SquareNetwork((28, 48, 64), (3, 3), 128, points=False)


def output_network() -> SquareNetwork:
    """Build O-Net.

    Returns:
        The network, of squares of 48 pixels, without weights.
    """
    return SquareNetwork((32, 64, 64, 128), (3, 3, 2), 256, points=True)


def _convolution(given: int, channels: int, side: int, pool: int = 1) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(given, channels, side), nn.PReLU(channels)]
    return layers if pool == 1 else [*layers, nn.MaxPool2d(pool, 2, ceil_mode=True)]
