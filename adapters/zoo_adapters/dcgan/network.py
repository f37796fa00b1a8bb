"""The DCGAN generator (Radford, Metz & Chintala, "Unsupervised Representation Learning with DCGANs", ICLR 2016)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.nn import Patch, TransposedConvolution, Window

_FIRST = TransposedConvolution(kernel=4)
_UPSAMPLE_CONV = TransposedConvolution(kernel=4, padding=1, stride=2)


class DCGANGenerator(nn.Module):
    """A stack of 4x4 transposed convolutions: the first turns the code into 4x4 pixels, each later one doubles them.

    Every convolution but the last is followed by batch normalisation with stored statistics and a ReLU, the last one by
    tanh.

    Args:
        widths: channels from the input (code and one-hot label) to the image.
        epsilon: what the normalisations add to variances.
        negative_slope: the factor of numbers below 0 in the activations: 0 for a ReLU, more for a leaky one.
        bias: whether the last convolution has a bias.
        tanh: whether a tanh follows it.
    """

    def __init__(
        self,
        widths: Sequence[int],
        *,
        epsilon: float = 1e-5,
        negative_slope: float = 0.0,
        bias: bool = False,
        tanh: bool = True,
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.epsilon = epsilon
        self.negative_slope = negative_slope
        self.tanh = tanh
        pairs = list(pairwise(widths))
        self.layers = [_FIRST, *[_UPSAMPLE_CONV] * (len(pairs) - 1)]
        self.convs = nn.ModuleList(
            nn.ConvTranspose2d(
                *(inputs, outputs, layer.kernel, layer.stride, layer.padding), bias=bias and index == len(pairs) - 1
            )
            for index, (layer, (inputs, outputs)) in enumerate(zip(self.layers, pairs, strict=True))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, eps=epsilon) for width in widths[1:-1])
        self.register_load_state_dict_post_hook(lambda module, _: module.fold())  # type: ignore[no-untyped-call]

    @property
    def img_resolution(self) -> int:
        """Height and width of the image."""
        return 1 << len(self.widths)  # 4 pixels, doubled by each layer after the first

    @property
    def first_weight(self) -> Tensor:
        """The first transposed convolution's weight, (widths[0], widths[1], 4, 4)."""
        return self.get_parameter("convs.0.weight")

    def fold(self) -> None:
        """Fold each normalisation into the convolution before it.

        `forward` needs the results. This is called whenever a state is loaded, and by the adapter. The first
        normalisation stays separate, so that the code is read by the weight that the adapter declares as its
        projection.
        """
        for name, value in self._folded().items():
            self.register_buffer(name, value.detach(), persistent=False)

    def _folded(self) -> dict[str, Tensor]:
        """Compute what `fold` keeps, within autograd's graph where there is one."""
        folded: dict[str, Tensor] = {}
        for index, norm in enumerate(self.norms):
            # norm(conv(x)) = scale · conv(x) + shift
            scale = norm.get_parameter("weight") * torch.rsqrt(norm.get_buffer("running_var") + self.epsilon)
            shift = norm.get_parameter("bias") - norm.get_buffer("running_mean") * scale
            weight = self.get_parameter(f"convs.{index}.weight") * scale[:, None, None]
            folded |= {f"weight{index}": weight, f"bias{index}": shift} if index else {"scale": scale, "shift": shift}
        return folded

    def forward(self, inputs: Tensor, window: Window | None = None) -> Tensor:
        """Render images.

        Args:
            inputs: codes, followed by one-hot labels in a conditional network, (n, widths[0]).
            window: the window of the image to compute; None for all of it.

        Returns:
            (n, widths[-1], height, width) of the image or of the window, in [-1, 1] where a tanh bounds it.
        """
        *hidden, last = self._windows(window)
        folded = self._folded() if self.first_weight.requires_grad else dict(self.named_buffers(recurse=False))
        first = self.layers[0](Patch.whole(inputs[:, :, None, None]), hidden[0], self.first_weight).values
        scaled = torch.addcmul(folded["shift"][:, None, None], first, folded["scale"][:, None, None])
        x = Patch(leaky_relu(scaled, self.negative_slope), hidden[0])
        for index, wanted in enumerate(hidden[1:], 1):
            y = self.layers[index](x, wanted, folded[f"weight{index}"], folded[f"bias{index}"])
            x = Patch(leaky_relu(y.values, self.negative_slope), wanted)
        final = self.convs[len(hidden)]
        assert isinstance(final, nn.ConvTranspose2d)
        image: Tensor = self.layers[-1](x, last, final.weight, final.bias).values
        return torch.tanh(image) if self.tanh else image

    def _windows(self, window: Window | None) -> list[Window]:
        """Plan the windows of all layers' outputs, from the last one backwards."""
        size = self.img_resolution
        windows = [window or Window.whole((size, size))]
        for layer in self.layers[:0:-1]:
            size //= 2
            windows.insert(0, layer.input_window(windows[0], (size, size)))
        return windows
