"""Pivotal tuning: the weights are fine-tuned at the codes that were found, while the codes stay.

Roich, Mokady, Bermano & Cohen-Or, "Pivotal Tuning for Latent-based Editing of Real Images", ACM Transactions on
Graphics 42(1), 2022. The codes are the paper's pivots.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.core.adapter import Adapter
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import Region
from zoo.errors import CapabilityError
from zoo.inversion.options import TuneOptions
from zoo.inversion.solving.problem import visible_difference
from zoo.inversion.tuning.adam import Adam
from zoo.inversion.tuning.batches import tuning_batch
from zoo.jacobian.operator import exact_products
from zoo.jacobian.outputs import Output
from zoo.models.model import Model
from zoo.models.tuned import load_tuned

# The rate, as a share of the root mean square of each tensor. The paper's 3e-4 is for weights of variance 1, whose
# scale the network applies; zoo's networks hold weights in their own scale.
_RATE = 2e-3
# What stands for the root mean square of tensors that are smaller, such as biases of 0.
_LEAST_SCALE = 1e-2
# How far images may differ once the network has recomputed what it derives from its weights.
_ROUNDING = 1e-3


@dataclass(frozen=True, eq=False)
class Pivots:
    """Codes that stay where they are, and what the network shall draw of them.

    Attributes:
        codes: The codes (n).
        pictures: The pictures (n, 3, h, w), on the network's device and in its dtype.
        region: The pixels that count.
        features: A map of pixels whose difference counts beside that of the pixels, or None.
    """

    codes: Codes
    pictures: Tensor
    region: Region
    features: Output | None = None


@dataclass(frozen=True, eq=False)
class TunedNetwork:
    """A network with tuned weights.

    Attributes:
        adapter: The network, a copy.
        tensors: The tensors that were changed, by the keys of its state dict.
        interrupted: Whether Ctrl-C ended the tuning.
    """

    adapter: Adapter
    tensors: dict[str, Tensor]
    interrupted: bool


def tune_network(
    model: Model,
    pivots: Pivots,
    options: TuneOptions,
    generator: torch.Generator,
    *,
    budget: ComputeBudget | None = None,
    progress: Progress = silent,
) -> TunedNetwork:
    """Fine-tune a copy of a network.

    Args:
        model: The model; it is not changed.
        pivots: Codes and pictures.
        options: How.
        generator: A CPU generator, which draws the codes whose images shall stay.
        budget: The memory that derivatives may use.
        progress: Called after each step.

    Returns:
        The copy. After Ctrl-C, as far as it had come.

    Raises:
        CapabilityError: If the network's images have no derivative with respect to its weights, or it keeps values
            derived from them that it does not recompute.
        OptionError: If the memory suffices for no batch.
    """
    with exact_products(model.adapter.device), _repeatable(model.adapter.device), torch.enable_grad():
        tuning = _Tuning(model, pivots, options, generator)
        beginning = generator.get_state()
        batch = tuning_batch(tuning.gradients, len(pivots.codes), model.adapter, budget)
        generator.set_state(beginning)
        interrupted = False
        try:
            tuning.run(batch, progress)
        except KeyboardInterrupt:
            interrupted = True
        return TunedNetwork(tuning.adapter, tuning.finish(), interrupted)


def step_seconds(model: Model, pivots: Pivots, options: TuneOptions) -> float | None:
    """Measure how long one step at one picture takes.

    Args:
        model: The model; it is not changed.
        pivots: Codes and pictures, of which the first is taken.
        options: How it would be tuned.

    Returns:
        Seconds; None where the network cannot be tuned.
    """
    with exact_products(model.adapter.device), _repeatable(model.adapter.device), torch.enable_grad():
        tuning = _Tuning(model, pivots, options, torch.Generator().manual_seed(0))
        try:
            return min(_seconds(tuning) for _ in range(2))  # the first step prepares what the others find
        except CapabilityError:
            return None


def _seconds(tuning: _Tuning) -> float:
    began = time.perf_counter()
    tuning.gradients(torch.tensor([0]))
    return time.perf_counter() - began


class _Tuning:
    """The loop, and the copy that it changes."""

    def __init__(self, model: Model, pivots: Pivots, options: TuneOptions, generator: torch.Generator) -> None:
        self.model, self.pivots, self.options, self.generator = model, pivots, options, generator
        self.adapter = copy.deepcopy(model.adapter)
        self.parameters = [
            weight.requires_grad_()
            for weight in self.adapter.network.parameters()
            if weight.is_floating_point() and weight.numel()
        ]

    def run(self, batch: int, progress: Progress) -> None:
        """Take all steps, each at the next few pivots."""
        parts = torch.arange(len(self.pivots.codes)).split(batch)
        total = self.options.steps * len(parts)
        adam = Adam(self.parameters, [_RATE * _scale(weight) for weight in self.parameters], total)
        for step in range(total):
            progress(step, total, "tuning")
            adam.step(self.gradients(parts[step % len(parts)]))
        progress(total, total, "tuning")

    def gradients(self, indices: Tensor) -> tuple[Tensor | None, ...]:
        """Differentiate the loss of some of the pictures; None for weights that it does not depend on."""
        loss = self._loss(indices)
        if not loss.requires_grad:
            raise CapabilityError(
                f"{self.model.name}: its images have no derivative with respect to its weights: leave out --tune"
            )
        return torch.autograd.grad(loss, self.parameters, allow_unused=True)

    def _loss(self, indices: Tensor) -> Tensor:
        """Add the locality term (the paper's equations 3 and 5) to the difference from some of the pictures."""
        pivots = self.pivots
        codes = _take(pivots.codes, indices)
        drawn = as_rgb(self.adapter.region_output(codes, pivots.region))
        chosen = torch.from_numpy(pivots.region.pixels.copy()).to(pivots.pictures.device)
        wanted = pivots.pictures[indices.to(pivots.pictures.device)].flatten(2)[..., chosen]
        loss = visible_difference(drawn, wanted).square().mean() + self._feature_loss(drawn, wanted)
        if self.options.locality:
            between = self._between(codes)
            with torch.no_grad():
                before = self.model.adapter.synthesize(between)
            loss = loss + self.options.locality * (self.adapter.synthesize(between) - before).square().mean()
        return loss

    def _feature_loss(self, drawn: Tensor, wanted: Tensor) -> Tensor:
        """Compare features, relative to those of the pictures."""
        features, region = self.pivots.features, self.pivots.region
        if features is None:
            return drawn.new_zeros(())
        with torch.no_grad():
            aim = features(wanted, region)
        lengths = aim.norm(dim=1, keepdim=True).clamp(min=1e-6)
        relative: Tensor = (features(drawn, region) - aim) / lengths
        return relative.square().sum(dim=1).mean()

    def _between(self, codes: Codes) -> Codes:
        """Draw codes between pivots and drawn ones (the paper's equation 4)."""
        adapter = self.model.adapter
        labels = None if codes.labels is None else codes.labels.cpu()
        with torch.no_grad():
            drawn = adapter.sample(len(codes), self.generator, labels).to(adapter.device, adapter.dtype)
        shares = torch.rand(len(codes), generator=self.generator).to(codes.latents)
        shares = shares.view(-1, *[1] * (codes.latents.ndim - 1))
        return adapter.normalize(replace(codes, latents=codes.latents.lerp(drawn.latents, shares)))

    def finish(self) -> dict[str, Tensor]:
        """Put the weights in place, and return those that have changed."""
        network, codes = self.adapter.network, self.pivots.codes[:1]
        with torch.no_grad():
            trained = self.adapter.synthesize(codes)
            network.requires_grad_(False)
            before = self.model.adapter.network.state_dict()
            changed = {name: new for name, new in network.state_dict().items() if not torch.equal(new, before[name])}
            changed = {name: tensor.detach().cpu().clone() for name, tensor in changed.items()}
            load_tuned(network, changed)
            if not torch.allclose(self.adapter.synthesize(codes), trained, atol=_ROUNDING):
                raise CapabilityError(
                    f"{self.model.name}: its network keeps values that it derives from its weights, and does not "
                    "recompute them in load_state_dict: leave out --tune"
                )
        return changed


def _take(codes: Codes, indices: Tensor) -> Codes:
    chosen = indices.to(codes.latents.device)
    labels = None if codes.labels is None else codes.labels[chosen]
    return replace(codes, latents=codes.latents[chosen], labels=labels, seeds=None)


def _scale(weight: Tensor) -> float:
    return max(float(weight.detach().double().square().mean().sqrt()), _LEAST_SCALE)


@contextmanager
def _repeatable(device: torch.device) -> Iterator[None]:
    """Have a GPU compute the same bits every time."""
    usual = torch.backends.cudnn.flags(benchmark=False, deterministic=True) if device.type == "cuda" else nullcontext()
    with usual:
        yield
