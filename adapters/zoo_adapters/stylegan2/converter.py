"""The conversion of a StyleGAN2's layers, whatever the file's format."""

from math import sqrt

from torch import Tensor

from zoo import CheckpointError, State
from zoo.checkpoints import check_filter
from zoo.nn import StyleConverter

OWNER = "the StyleGAN2 file"
RESAMPLE_TAPS = (1.0, 3.0, 3.0, 1.0)
ACTIVATION_GAIN = sqrt(2)

_FILTER_KEYS = ("resample_filter", "kernel")


class Converter(StyleConverter):
    """The conversion of a StyleGAN2's layers, to the keys of `StyleGAN2Generator`.

    Args:
        state: the tensors of the network in the file.
    """

    def __init__(self, state: State) -> None:
        super().__init__(state, OWNER)

    def set_layer(self, index: int, weight: Tensor, bias: Tensor, noise: Tensor, noise_strength: Tensor) -> None:
        """Set a layer, except its affine map.

        Args:
            index: the layer's number; odd ones upsample.
            weight: (out, in, 3, 3), as `torch.nn.functional.conv2d`, or in odd layers `conv_transpose2d`, correlates.
            bias: (out,), as stored.
            noise: (…, height, width).
            noise_strength: a single number, as stored.
        """
        upsample = index % 2 == 1
        self.converted[f"layers.{index}.weight"] = (weight.transpose(0, 1) if upsample else weight).contiguous()
        # The activation is positively homogeneous: √2 · lrelu(x + b) = lrelu(√2 x + √2 b).
        self.converted[f"layers.{index}.bias"] = bias * ACTIVATION_GAIN
        self.converted[f"layers.{index}.noise"] = noise.reshape(noise.shape[-2:])
        self.converted[f"layers.{index}.strength"] = noise_strength.reshape(()) * ACTIVATION_GAIN

    def set_to_rgb(self, level: int, weight: Tensor, bias: Tensor) -> None:
        """Set the 1x1 convolution to RGB of a resolution, except its affine map.

        Args:
            level: the resolution, 0 for 4x4 pixels.
            weight: (…, img_channels, channels, 1, 1), as stored.
            bias: a number for each channel of the image.
        """
        channels = weight.shape[-3]
        self.converted[f"colours.{level}.weight"] = weight.reshape(-1, channels) / sqrt(channels)
        self.converted[f"colours.{level}.bias"] = bias.flatten()

    def tensorflow_linear(self, name: str, key: str, **scales: float) -> None:
        """Convert a fully connected layer of TensorFlow.

        Args:
            name: the layer's canonical name.
            key: what stands before ``weight`` (in, out) and ``bias`` in the file.
            **scales: as `set_linear` takes them.
        """
        self.set_linear(name, self.pop(f"{key}weight").T, self.pop(f"{key}bias"), **scales)

    def require_skips(self, first: str, residual: str) -> None:
        """Require the skip architecture: each resolution has a ToRGB layer, and there are no residual connections.

        Args:
            first: the key of the first ToRGB layer's weight.
            residual: how keys of residual connections end.

        Raises:
            CheckpointError: for another architecture.
        """
        if first not in self.remaining or any(key.endswith(residual) for key in self.remaining):
            raise CheckpointError(
                f"{self.owner} is not of the architecture skip, that of configurations E and F: no other is supported"
            )

    def finish(self) -> State:
        """Check and drop the resampling filters, and return the canonical state.

        Returns:
            The canonical state.

        Raises:
            CheckpointError: for a filter that is not supported.
        """
        for key in [key for key in self.remaining if key.endswith(_FILTER_KEYS)]:
            check_filter(key, self.remaining.pop(key), RESAMPLE_TAPS)
        return super().finish()
