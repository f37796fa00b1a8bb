"""The DCGAN generator (Radford, Metz & Chintala, "Unsupervised Representation Learning with DCGANs", ICLR 2016)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from zoo.nn import Patch, TransposedConvolution, Window

_FIRST, _FURTHER = TransposedConvolution(kernel=4), TransposedConvolution(kernel=4, padding=1, stride=2)
_EPSILON = 1e-5


class DCGANGenerator(nn.Module):
    """A stack of 4x4 transposed convolutions: the first makes 4x4 pixels of the code, each further one doubles them.

    `widths` are channels from the input (code and one-hot label) to the image. Every convolution but the last is
    followed by batch normalisation with stored statistics and ReLU; the last by tanh.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        pairs = list(pairwise(widths))
        self.layers = [_FIRST, *[_FURTHER] * (len(pairs) - 1)]
        self.convs = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, layer.kernel, layer.stride, layer.padding, bias=False)
            for layer, (wide, narrow) in zip(self.layers, pairs, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, eps=_EPSILON) for width in widths[1:-1])
        self.register_load_state_dict_post_hook(lambda module, _: module.fold())  # type: ignore[no-untyped-call]

    @property
    def first_weight(self) -> Tensor:
        """The first transposed convolution's weight, (widths[0], widths[1], 4, 4)."""
        return self.get_parameter("convs.0.weight")

    def fold(self) -> None:
        """Join each normalisation to the convolution before it; loading a state does, changes in place do not.

        The first one, of 4x4 pixels, stays apart: its convolution reads the code by the weight that is declared.
        """
        for index, norm in enumerate(self.norms):
            scale = norm.get_parameter("weight") * torch.rsqrt(norm.get_buffer("running_var") + _EPSILON)
            kernel = self.get_parameter(f"convs.{index}.weight") * scale[:, None, None]
            bias = norm.get_parameter("bias") - norm.get_buffer("running_mean") * scale
            joined = {f"kernel{index}": kernel, f"bias{index}": bias} if index else {"scale": scale, "shift": bias}
            for name, value in joined.items():
                self.register_buffer(name, value.detach(), persistent=False)

    def forward(self, inputs: Tensor, window: Window | None = None) -> Tensor:
        """Render inputs (n, widths[0]) as images (n, widths[-1], h, w) in [-1, 1], or a window of them only."""
        x = Patch.whole(inputs[:, :, None, None])
        *hidden, last = self._windows(window)
        first = self.layers[0](x, hidden[0], self.first_weight).values
        scaled = torch.addcmul(self.get_buffer("shift")[:, None, None], first, self.get_buffer("scale")[:, None, None])
        x = Patch(torch.relu(scaled), hidden[0])
        for index, wanted in enumerate(hidden[1:], 1):
            y = self.layers[index](x, wanted, self.get_buffer(f"kernel{index}"), self.get_buffer(f"bias{index}"))
            x = Patch(torch.relu(y.values), wanted)
        return torch.tanh(self.layers[-1](x, last, self.get_parameter(f"convs.{len(hidden)}.weight")).values)

    def _windows(self, window: Window | None) -> list[Window]:
        """Plan the windows of all layers' outputs, from the last one backwards."""
        side = 2 ** len(self.widths)
        windows = [window or Window.whole((side, side))]
        for layer in self.layers[:0:-1]:
            side //= 2
            windows.insert(0, layer.input_window(windows[0], (side, side)))
        return windows
