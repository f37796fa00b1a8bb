"""The input of StyleGAN3: Fourier features (Karras et al., NeurIPS 2021, section 3.1)."""

from math import pi

import torch
from torch import Tensor, nn

from zoo.nn import Patch, Window, store_as


class SynthesisInput(nn.Module):
    """Fourier features: sine waves on a grid, which w rotates and translates (section 3.1 and appendix F).

    The state dict holds `freqs` as ``frequencies``.

    Args:
        w_dim: numbers of a row of w.
        channels: how many waves there are.
        size: height and width of the grid.
        sampling_rate: grid points a unit.
        bandwidth: the frequency from which on waves are damped; those that the rate cannot represent vanish.

    Attributes:
        transform: (3, 3), a further transformation of the image, which users of NVIDIA's code set.
    """

    def __init__(self, w_dim: int, channels: int, size: int, sampling_rate: float, bandwidth: float) -> None:
        super().__init__()
        self.size = size
        self.sampling_rate = sampling_rate
        self.bandwidth = bandwidth
        self.affine = nn.Linear(w_dim, 4)
        self.weight = nn.Parameter(torch.zeros(channels, channels))
        self.freqs = nn.Buffer(torch.zeros(channels, 2))
        self.phases = nn.Buffer(torch.zeros(channels))
        self.transform = nn.Buffer(torch.eye(3))
        store_as(self, {"freqs": "frequencies"})

    def forward(self, w: Tensor, window: Window) -> Patch:
        """Compute a window of the first map.

        Args:
            w: the input's row of w, (n, w_dim).
            window: the window to compute.

        Returns:
            The patch (n, channels, rows, columns) of that window.
        """
        freqs, phases = self._transformed(self.affine(w))
        # 1 up to the bandwidth, 0 from the Nyquist frequency on, linear between them.
        excess = freqs.square().sum(dim=2).sqrt() - self.bandwidth
        amplitudes = (1 - excess / (self.sampling_rate / 2 - self.bandwidth)).clamp(0, 1)
        x = self._grid(window.columns, freqs)
        y = self._grid(window.rows, freqs)
        # sin(2π (fᵀ x + φ))
        cycles = x * freqs[:, None, None, :, 0] + y[:, None] * freqs[:, None, None, :, 1]
        waves = torch.sin(2 * pi * (cycles + phases[:, None, None])) * amplitudes[:, None, None]
        return Patch((waves @ self.weight.T).permute(0, 3, 1, 2), window)

    def _transformed(self, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Rotate and translate the waves by poses (n, 4): frequencies (n, channels, 2) and phases (n, channels).

        A pose is (cos α, sin α, x, y), all times a factor that is divided out.
        """
        pose = pose / pose[:, :2].square().sum(dim=1, keepdim=True).sqrt()
        cosine = pose[:, 0, None]
        sine = pose[:, 1, None]
        translation = pose[:, 2:]
        # f ← R f, φ ← φ + fᵀ t
        fx, fy = self.freqs.T
        rotated = torch.stack([fx * cosine + fy * sine, fy * cosine - fx * sine], dim=2)
        offset = self.transform[:2, 2] - translation
        return rotated @ self.transform[:2, :2], self.phases + (rotated @ offset[:, :, None])[..., 0]

    def _grid(self, span: tuple[int, int], like: Tensor) -> Tensor:
        """Return the coordinates of grid points, centred at 0, as (points, 1)."""
        indices = torch.arange(*span, device=like.device, dtype=like.dtype)
        return (indices[:, None] + (1 - self.size) / 2) / self.sampling_rate
