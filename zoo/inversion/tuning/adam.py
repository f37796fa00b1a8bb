"""Adam (Kingma & Ba, ICLR 2015), with a rate for each tensor, which falls to 0 as a cosine does.

That of `torch.optim` imports torch's compiler, which takes seconds and is never used here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# β₁, β₂ and ε of the paper.
_MEAN, _SQUARE = 0.9, 0.999
_EPSILON = 1e-8


class Adam:
    """Moves tensors against their gradients.

    Args:
        tensors: The tensors, which are changed in place.
        rates: The rate of each at the beginning.
        steps: How many steps will be taken.
    """

    def __init__(self, tensors: Sequence[Tensor], rates: Sequence[float], steps: int) -> None:
        self._tensors, self._rates, self._steps = tensors, rates, steps
        self._means = [torch.zeros_like(tensor) for tensor in tensors]
        self._squares = [torch.zeros_like(tensor) for tensor in tensors]
        self._taken = 0

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """Take a step.

        Args:
            gradients: Those of the tensors; None leaves one as it is.
        """
        share = (1 + math.cos(math.pi * self._taken / self._steps)) / 2
        self._taken += 1
        unbias_mean, unbias_square = (1 - beta**self._taken for beta in (_MEAN, _SQUARE))
        each = zip(self._tensors, gradients, self._rates, self._means, self._squares, strict=True)
        for tensor, gradient, rate, mean, square in each:
            if gradient is None:
                continue
            mean.lerp_(gradient, 1 - _MEAN)
            square.mul_(_SQUARE).addcmul_(gradient, gradient, value=1 - _SQUARE)
            spread = (square / unbias_square).sqrt_().add_(_EPSILON)
            tensor.addcdiv_(mean, spread, value=-rate * share / unbias_mean)
