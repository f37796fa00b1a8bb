"""Training steps as CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Losses = dict[str, Tensor]

# Steps of each kind that are taken before they are recorded, so that libraries have chosen their algorithms.
_WARM_UP = 3


class StepGraphs:
    """A training step that is recorded once, and then replayed.

    The networks are so small that the GPU computes a kernel in less time than Python takes to launch it. A replayed
    graph launches all kernels of a step at once. What a step reads (weights, images, learning rates) stays in its place
    in memory. Random numbers follow the generator's seed, which may differ between replays.

    Args:
        take_step: takes a step on images and labels, with or without penalties, and returns its losses.
        generator: the CUDA generator that it draws from.
    """

    def __init__(self, take_step: Callable[[Tensor, Tensor, bool], Losses], generator: torch.Generator) -> None:
        self._take_step = take_step
        self._generator = generator
        self._taken = {True: 0, False: 0}
        self._graphs: dict[bool, tuple[torch.cuda.CUDAGraph, Losses]] = {}

    def __call__(self, images: Tensor, labels: Tensor, penalised: bool) -> Losses:
        """Take a step.

        Args:
            images: the same tensor at every step.
            labels: the same.
            penalised: whether the step has penalties.

        Returns:
            The losses, which the next step overwrites.
        """
        self._taken[penalised] += 1
        if self._taken[penalised] <= _WARM_UP:
            return self._warm_up(images, labels, penalised)
        if penalised not in self._graphs:
            graph = torch.cuda.CUDAGraph()
            graph.register_generator_state(self._generator)
            with torch.cuda.graph(graph):  # records, and computes nothing
                losses = self._take_step(images, labels, penalised)
            self._graphs[penalised] = graph, losses
        if penalised:
            torch.cuda.synchronize()  # Python would be hundreds of steps ahead, and could not stop soon
        graph, losses = self._graphs[penalised]
        graph.replay()
        return losses

    def _warm_up(self, images: Tensor, labels: Tensor, penalised: bool) -> Losses:
        """Take a step on a stream of its own, as recording does."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            losses = self._take_step(images, labels, penalised)
        torch.cuda.current_stream().wait_stream(stream)
        return losses
