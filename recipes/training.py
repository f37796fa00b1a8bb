"""The training of one generator: its steps, and its checkpoints."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import floor
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, softplus

from recipes.discriminator import Discriminator
from recipes.generators import GENERATORS, LearningRate, Trained, draw_weights
from recipes.graphs import StepGraphs
from recipes.pictures import to_images
from recipes.precision import autocast
from zoo._utils.files import atomic_file


@dataclass(frozen=True)
class Settings:
    """Settings: relativistic pairing losses, with the penalties R1 and R2 (Huang et al., NeurIPS 2024).

    Attributes:
        images: how many real images are shown.
        batch: images a step.
        rate: the learning rate.
        cooled: over how many of the last images the learning rate falls to 0, linearly.
        penalty: the weight γ of both penalties.
        every: the penalties are taken every so many steps, times as much (lazy regularisation, Karras et al., CVPR
            2020, section 3.1).
        memory: the half-life of the weights' average, in images; at most a twentieth of the images shown so far.
        grown: for how many images a resolution is faded in, and for how many it then stays, where the network grows.
        seed: of all random numbers.
        settled: over how many of the first images only the discriminator learns, where a training goes on from a
            released generator.
    """

    images: int = 400_000
    batch: int = 32
    rate: float = 2.5e-3
    cooled: int = 100_000
    penalty: float = 0.6
    every: int = 8
    memory: int = 5_000
    grown: int = 20_000
    seed: int = 0
    settled: int = 0


# Settings that cannot be changed when a training is resumed, since progress is counted by them.
_FIXED = ("batch", "grown", "seed")


class Training:
    """A generator, its discriminator, the average of the generator's weights, and the optimisers."""

    def __init__(
        self, name: str, classes: int, settings: Settings, device: str = "cpu", *, graphs: bool = True
    ) -> None:
        self.name = name
        self.settings = settings
        self.device = device
        self.step = 0
        self.generator: Trained = GENERATORS[name](classes)
        self.discriminator = Discriminator(self.generator.widths, self.generator.classes)
        rates = self.generator.learning_rates(), self.discriminator.learning_rates()
        for index, network_rates in enumerate(rates):
            draw_weights(network_rates, settings.seed + index)
        self.average = copy.deepcopy(self.generator)
        self.average.network.requires_grad_(False)
        for part in self.modules().values():
            part.to(device).to(memory_format=torch.channels_last)
        self.optimisers = [self._optimiser(network_rates) for network_rates in rates]
        self._random = torch.Generator(device)
        # A network that grows does not take the same step twice.
        captured = graphs and device == "cuda" and not self.generator.grows
        self._graphs = StepGraphs(self._take_step, self._random) if captured else None

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Begin with the weights of a released generator; the discriminator knows nothing yet."""
        for trained in (self.generator, self.average):
            trained.network.load_state_dict(state)

    def modules(self) -> dict[str, torch.nn.Module]:
        """Return the networks by name."""
        return {
            "generator": self.generator.network,
            "discriminator": self.discriminator,
            "average": self.average.network,
        }

    @property
    def shown(self) -> int:
        """How many real images were shown."""
        return self.step * self.settings.batch

    def advance(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Take one step on images (n, height, width, 3) of uint8 and their classes (n,); return the losses.

        All random numbers depend on the device, the seed and the number of the step alone. Images and labels are on
        the device, and the same tensors at every step.
        """
        self._random.manual_seed(self.settings.seed * 1_000_003 + self.step)
        self._set_rates()
        penalised = self.step % self.settings.every == 0
        losses = (self._graphs or self._take_step)(images, labels, penalised)
        self.step += 1
        self._update_average()
        return losses

    def _take_step(self, images: Tensor, labels: Tensor, penalised: bool) -> dict[str, Tensor]:
        """Draw a batch, and train the discriminator and then the generator with it."""
        picked = torch.randint(len(images), (self.settings.batch,), generator=self._random, device=self._random.device)
        real = to_images(images[picked])
        classes = labels[picked].long()
        if self.generator.grows:
            real = self._grow(real)
        losses, real_scores = self._train_discriminator(real, classes, penalised)
        return losses | self._train_generator(real_scores, classes)

    def _train_discriminator(self, real: Tensor, classes: Tensor, penalised: bool) -> tuple[dict[str, Tensor], Tensor]:
        """Train the discriminator; return the losses, and its scores of the real images (n,)."""
        with torch.no_grad(), autocast(self.device):
            fake = self._images(classes)
        with autocast(self.device):
            real_scores, fake_scores = self.discriminator(real, classes), self.discriminator(fake, classes)
        # softplus(D(fake) − D(real)) + γ/2 (|∇D(real)|² + |∇D(fake)|²)
        loss = softplus(fake_scores.float() - real_scores.float()).mean()
        if penalised:
            loss = loss + self.settings.every * self.settings.penalty / 2 * (
                self._gradient_penalty(real, classes) + self._gradient_penalty(fake, classes)
            )
        self._update(1, loss)
        losses = {"discriminator": loss, "real": real_scores.mean(), "made": fake_scores.mean()}
        return {name: value.detach() for name, value in losses.items()}, real_scores.detach().float()

    def _train_generator(self, real_scores: Tensor, classes: Tensor) -> dict[str, Tensor]:
        """Train the generator, so that its images get higher scores than the real ones (n,) of the same classes."""
        self.discriminator.requires_grad_(False)
        with autocast(self.device):
            fake_scores = self.discriminator(self._images(classes), classes)
        loss = softplus(real_scores - fake_scores.float()).mean()
        self._update(0, loss)
        self.discriminator.requires_grad_(True)
        return {"generator": loss.detach()}

    def _images(self, classes: Tensor) -> Tensor:
        z = torch.randn(len(classes), self.generator.dim, generator=self._random, device=classes.device)
        return self.generator.render(z, classes, self._random)

    def _gradient_penalty(self, images: Tensor, classes: Tensor) -> Tensor:
        """Return the mean squared norm of the discriminator's gradient at images."""
        images = images.detach().float().requires_grad_(True)
        (gradient,) = torch.autograd.grad(self.discriminator(images, classes).sum(), images, create_graph=True)
        return gradient.square().sum(dim=(1, 2, 3)).mean()

    def _update(self, index: int, loss: Tensor) -> None:
        """Take a step of the generator's optimiser (0), or of the discriminator's (1)."""
        self.optimisers[index].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers[index].step()

    def _set_rates(self) -> None:
        """Set the learning rates, which fall over the last images."""
        remaining = (self.settings.images - self.shown) / max(self.settings.cooled, 1)
        learning = float(self.shown >= self.settings.settled), 1.0
        for optimiser, factor in zip(self.optimisers, learning, strict=True):
            for group in optimiser.param_groups:
                rate = group["full"] * min(remaining, 1.0) * factor
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate

    def _optimiser(self, rates: Iterable[LearningRate]) -> torch.optim.Adam:
        groups: dict[float, list[Tensor]] = {}
        for rate in rates:
            groups.setdefault(self.settings.rate * rate.multiplier, []).append(rate.parameter)
        # A CUDA graph reads the learning rate from the device.
        captured = self.device == "cuda"
        parts = [
            {"params": parameters, "lr": torch.tensor(rate, device=self.device) if captured else rate, "full": rate}
            for rate, parameters in groups.items()
        ]
        return torch.optim.Adam(parts, betas=(0.0, 0.99), eps=1e-8, foreach=True, capturable=captured)

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the averaged weights towards the generator's."""
        half_life = min(self.settings.memory, self.shown / 20)
        keep = 0.5 ** (self.settings.batch / max(half_life, 1e-8))
        pairs = zip(self.average.network.parameters(), self.generator.network.parameters(), strict=True)
        old, new = zip(*pairs, strict=True)
        torch._foreach_lerp_(list(old), list(new), 1 - keep)

    def _grow(self, real: Tensor) -> Tensor:
        """Set the level of detail that the images shown so far ask for, and reduce real images to it."""
        phases = self.shown / self.settings.grown
        levels = len(self.generator.widths)
        lod = max(levels - 1 - floor(phases / 2) - min(max(phases % 2 - 1, 0), 1), 0)
        for generator in (self.generator, self.average):
            generator.grow(float(lod))
        self.discriminator.lod = float(lod)
        return at_detail(real, lod)

    def save(self, folder: Path) -> None:
        """Write a checkpoint: a file for each network and optimiser, and `state.json` with the step."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in self.modules().items():
            _write(folder / f"{name}-{self.step}.safetensors", part.state_dict())
        for name, optimiser in zip(self.modules(), self.optimisers, strict=False):
            _write(folder / f"{name}-moments-{self.step}.safetensors", _moments(optimiser))
        with atomic_file(folder / "state.json") as path:
            path.write_text(json.dumps({"name": self.name, "step": self.step, "settings": asdict(self.settings)}))
        for old in folder.glob("*.safetensors"):
            if not old.stem.endswith(f"-{self.step}"):
                old.unlink()

    def resume(self, folder: Path) -> None:
        """Load the last checkpoint of a folder, if there is one."""
        if not (folder / "state.json").exists():
            return
        state = json.loads((folder / "state.json").read_text())
        if state["name"] != self.name or any(state["settings"][key] != getattr(self.settings, key) for key in _FIXED):
            raise SystemExit(f"{folder} is of {state['name']} with other settings of {', '.join(_FIXED)}")
        self.step = state["step"]
        for name, part in self.modules().items():
            part.load_state_dict(load_file(folder / f"{name}-{self.step}.safetensors"))
        for name, optimiser in zip(self.modules(), self.optimisers, strict=False):
            _fill_moments(optimiser, load_file(folder / f"{name}-moments-{self.step}.safetensors"))


def at_detail(images: Tensor, lod: float) -> Tensor:
    """Remove from images the detail that a level of detail does not have."""
    below = _coarse(images, floor(lod))
    return below + (lod % 1) * (_coarse(images, floor(lod) + 1) - below) if lod % 1 else below


def _coarse(images: Tensor, levels: int) -> Tensor:
    return interpolate(avg_pool2d(images, 2**levels), scale_factor=2.0**levels) if levels else images


def _moments(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the state of Adam, by the index of the parameter and the name of the moment."""
    return {
        f"{index}.{key}": value
        for index, parameter in enumerate(_parameters(optimiser))
        for key, value in optimiser.state[parameter].items()
    }


def _fill_moments(optimiser: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    parameters = _parameters(optimiser)
    for name, value in state.items():
        index, _, key = name.partition(".")
        parameter = parameters[int(index)]
        on_cpu = key == "step" and not optimiser.defaults["capturable"]
        optimiser.state[parameter][key] = value.to("cpu" if on_cpu else parameter.device, copy=True)


def _parameters(optimiser: torch.optim.Optimizer) -> Sequence[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    with atomic_file(path) as part:
        save_file({key: tensor.detach().cpu().clone().contiguous() for key, tensor in tensors.items()}, part)
