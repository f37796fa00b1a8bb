"""The DCGAN generator (Radford, Metz & Chintala, "Unsupervised Representation Learning with DCGANs", ICLR 2016)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Generator(nn.Module):
    """A stack of 4x4 transposed convolutions: the first makes 4x4 pixels of the code, each further one doubles them.

    `widths` are channels from the input (code and one-hot label) to the image. Every convolution but the last is
    followed by batch normalisation with stored statistics and ReLU; the last by tanh.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        pairs = list(pairwise(widths))
        self.convs = nn.ModuleList(
            nn.ConvTranspose2d(
                wide,
                narrow,
                kernel_size=4,
                stride=1 if index == 0 else 2,
                padding=0 if index == 0 else 1,
                bias=False,
            )
            for index, (wide, narrow) in enumerate(pairs)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[1:-1])

    @property
    def first_weight(self) -> Tensor:
        """The first transposed convolution's weight, (widths[0], widths[1], 4, 4)."""
        return self.get_parameter("convs.0.weight")

    def forward(self, inputs: Tensor) -> Tensor:
        """Render inputs (n, widths[0]) as images (n, widths[-1], h, w) in [-1, 1]."""
        x = inputs[:, :, None, None]
        for conv, norm in zip(self.convs[:-1], self.norms, strict=True):
            x = torch.relu(norm(conv(x)))
        return torch.tanh(self.convs[-1](x))
