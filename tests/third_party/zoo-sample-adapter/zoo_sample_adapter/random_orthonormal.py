"""Random orthonormal directions, a baseline for other analyses."""

import torch

from zoo import Adapter, Analyzer, Directions, Probe
from zoo_sample_adapter.options import RandomOptions


class RandomOrthonormal(Analyzer[RandomOptions]):
    """Draw random directions, whatever the network is. None is better than another, so every score is 1."""

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Return the Q of the QR decomposition of a random matrix, with zoo's signs."""
        space = adapter.space
        count = min(self.options.k, space.dim)
        drawn = torch.randn(space.dim, count, generator=probe.generator, dtype=torch.float64)
        rows = torch.linalg.qr(drawn).Q.T
        largest = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
        return Directions(
            space,
            rows * largest.sign(),
            torch.ones(count, dtype=torch.float64),
            probe.layers if space.layers > 1 else None,
        )
