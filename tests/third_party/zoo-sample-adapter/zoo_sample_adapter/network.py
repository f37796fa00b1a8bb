"""The mosaic generator: a mapping network, and four convolutions whose input channels are scaled by a row of w."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, normalize, silu

LAYERS = 4

# The layers before which the resolution is doubled.
_UPSAMPLED = (1, 2)


class Modulated(nn.Module):
    """A 3x3 convolution whose input channels are scaled by an affine map of w.

    Args:
        dim: the number of components of w.
        inputs: the number of input channels.
        outputs: the number of output channels.
    """

    def __init__(self, dim: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.affine = nn.Linear(dim, inputs)
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Filter an image.

        Args:
            x: (n, inputs, height, width).
            w: (n, dim).

        Returns:
            (n, outputs, height, width).
        """
        scale: Tensor = self.affine(w)
        return conv2d(x * scale[:, :, None, None], self.weight, self.bias, padding=1)


class Generator(nn.Module):
    """The generator; images have 4 * side pixels a side.

    Args:
        dim: the number of components of w.
        width: the number of channels.
        side: pixels a side of the constant that every image starts from.
    """

    def __init__(self, dim: int, width: int, side: int) -> None:
        super().__init__()
        self.mapping = nn.ModuleList(nn.Linear(dim, dim) for _ in range(2))
        self.mean = nn.Buffer(torch.zeros(dim))
        self.constant = nn.Parameter(torch.zeros(width, side, side))
        self.layers = nn.ModuleList(
            Modulated(dim, width, 3 if index == LAYERS - 1 else width) for index in range(LAYERS)
        )

    def style(self, z: Tensor) -> Tensor:
        """Map z to w.

        Args:
            z: (n, dim) standard normal numbers.

        Returns:
            (n, dim).
        """
        w: Tensor = normalize(z, dim=1) * z.shape[1] ** 0.5
        for layer in self.mapping:
            w = silu(layer(w))
        return w

    def forward(self, w: Tensor) -> Tensor:
        """Render codes.

        Args:
            w: (n, 4, dim).

        Returns:
            (n, 3, 4 * side, 4 * side) images.
        """
        x: Tensor = self.constant.expand(len(w), *self.constant.shape)
        for index, layer in enumerate(self.layers):
            if index in _UPSAMPLED:
                x = interpolate(x, scale_factor=2.0, mode="nearest")
            x = layer(x, w[:, index])
            if index < LAYERS - 1:
                x = silu(x)
        return x


def untrained(dim: int, width: int, side: int, seed: int) -> Generator:
    """Make a network with random weights.

    Args:
        dim: the number of components of w.
        width: the number of channels.
        side: pixels a side of the constant.
        seed: determines the weights.

    Returns:
        The network.
    """
    network = Generator(dim, width, side)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            fan_in = tensor[0].numel() if tensor.ndim in {2, 4} else 1
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * (1.5 / fan_in**0.5))
            if key.endswith("affine.bias"):
                tensor.add_(1.0)
        network.mean.copy_(network.style(torch.randn(256, dim, generator=generator)).mean(dim=0))
    return network
