"""Random orthonormal directions: what an analysis has to beat."""

import torch

from zoo import Adapter, Analyzer, Directions, Probe
from zoo_sample_adapter.options import RandomOptions


class RandomOrthonormal(Analyzer[RandomOptions]):
    """Draw directions that know nothing of the network; they are equally strong, so every score is 1."""

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Take the Q of a random matrix's QR decomposition."""
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
