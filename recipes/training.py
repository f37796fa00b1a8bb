"""The training of one generator: its steps, and the checkpoint from which it goes on."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import floor
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, softplus

from recipes.discriminator import Discriminator
from recipes.generators import GENERATORS, WIDTHS, Rate, Trained, draw_weights
from recipes.pictures import to_images
from zoo._utils.files import atomic_file


@dataclass(frozen=True)
class Settings:
    """How to train: each picture against a real one of its class, with R1 and R2 (Huang et al., NeurIPS 2024)."""

    images: int = 400_000
    """How many real pictures are shown."""
    batch: int = 32
    rate: float = 2.5e-3
    cooled: int = 100_000
    """Over how many of the last pictures the rate falls to nothing, evenly."""
    penalty: float = 0.6
    """The weight γ of both penalties ..."""
    every: int = 8
    """... which is taken every so many steps, times as much (Karras et al., CVPR 2020, section 3.1)."""
    memory: int = 5_000
    """The half-life of the average of the weights, in pictures; at first, a twentieth of those shown."""
    grown: int = 20_000
    """How many pictures a resolution stays, and how many it is faded in over, where the network grows."""
    seed: int = 0


_FIXED = ("batch", "grown", "seed")
"""What cannot be changed while a training is under way, as pictures are counted by it."""


class Training:
    """A generator, its discriminator, its average over time, and their optimisers."""

    def __init__(self, name: str, classes: int, settings: Settings, device: str = "cpu") -> None:
        self.name, self.settings, self.step, self.device = name, settings, 0, device
        self.generator: Trained = GENERATORS[name](classes)
        self.discriminator = Discriminator(WIDTHS, self.generator.classes)
        rates = self.generator.rates(), self.discriminator.rates()
        for place, some in enumerate(rates):
            draw_weights(some, settings.seed + place)
        self.average = copy.deepcopy(self.generator)
        self.average.network.requires_grad_(False)
        for part in self.modules().values():
            part.to(device).to(memory_format=torch.channels_last)
        self.optimisers = [self._optimiser(some) for some in rates]

    def modules(self) -> dict[str, torch.nn.Module]:
        """The networks by name."""
        return {
            "generator": self.generator.network,
            "discriminator": self.discriminator,
            "average": self.average.network,
        }

    @property
    def shown(self) -> int:
        """How many real pictures were shown."""
        return self.step * self.settings.batch

    def advance(self, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Take one step on pictures (n, side, side, 3) of uint8 and their classes (n,); return the losses.

        All chance is drawn from the seed and the number of the step.
        """
        chance = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.step)
        picked = torch.randint(len(images), (self.settings.batch,), generator=chance).numpy()
        real = to_images(torch.from_numpy(images[picked]).to(self.device))
        classes = torch.from_numpy(labels[picked]).to(self.device).long()
        if self.generator.grows:
            real = self._grow(real)
        losses, true = self._judge(real, classes, chance)
        losses |= self._make(true, classes, chance)
        self.step += 1
        self._remember()
        return losses

    def _judge(self, real: Tensor, classes: Tensor, chance: torch.Generator) -> tuple[dict[str, float], Tensor]:
        """Train the discriminator; return what it was told, and how it judged the real pictures (n,)."""
        with torch.no_grad(), self._fast():
            made = self._images(classes, chance)
        with self._fast():
            true, false = self.discriminator(real, classes), self.discriminator(made, classes)
        loss = softplus(false.float() - true.float()).mean()
        if self.step % self.settings.every == 0:
            loss = loss + self.settings.every * self.settings.penalty / 2 * (
                self._slope(real, classes) + self._slope(made, classes)
            )
        self._update(1, loss)
        told = {"discriminator": loss, "real": true.mean(), "made": false.mean()}
        return {name: float(value.detach()) for name, value in told.items()}, true.detach().float()

    def _make(self, true: Tensor, classes: Tensor, chance: torch.Generator) -> dict[str, float]:
        """Train the generator to be judged better than the real pictures (n,) of the same classes were."""
        self.discriminator.requires_grad_(False)
        with self._fast():
            judged = self.discriminator(self._images(classes, chance), classes)
        loss = softplus(true - judged.float()).mean()
        self._update(0, loss)
        self.discriminator.requires_grad_(True)
        return {"generator": float(loss.detach())}

    def _images(self, classes: Tensor, chance: torch.Generator) -> Tensor:
        z = torch.randn(len(classes), self.generator.dim, generator=chance).to(self.device)
        return self.generator.render(z, classes, chance)

    def _slope(self, images: Tensor, classes: Tensor) -> Tensor:
        """Measure how steep the discriminator is: the squared length of its derivative at pictures."""
        images = images.detach().float().requires_grad_(True)
        (slope,) = torch.autograd.grad(self.discriminator(images, classes).sum(), images, create_graph=True)
        return slope.square().sum(dim=(1, 2, 3)).mean()

    def _update(self, place: int, loss: Tensor) -> None:
        left = (self.settings.images - self.shown) / max(self.settings.cooled, 1)
        for group in self.optimisers[place].param_groups:
            group["lr"] = group["full"] * min(left, 1.0)
        self.optimisers[place].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers[place].step()

    def _optimiser(self, rates: Iterable[Rate]) -> torch.optim.Adam:
        groups: dict[float, list[Tensor]] = {}
        for rate in rates:
            groups.setdefault(self.settings.rate * rate.speed, []).append(rate.parameter)
        parts = [{"params": parameters, "lr": speed, "full": speed} for speed, parameters in groups.items()]
        return torch.optim.Adam(parts, betas=(0.0, 0.99), eps=1e-8, foreach=True)

    @torch.no_grad()
    def _remember(self) -> None:
        """Let the average follow."""
        life = min(self.settings.memory, self.shown / 20)
        keep = 0.5 ** (self.settings.batch / max(life, 1e-8))
        pairs = zip(self.average.network.parameters(), self.generator.network.parameters(), strict=True)
        old, new = zip(*pairs, strict=True)
        torch._foreach_lerp_(list(old), list(new), 1 - keep)

    def _grow(self, real: Tensor) -> Tensor:
        """Set the level of detail for the pictures shown so far, and bring real ones to it."""
        phases, levels = self.shown / self.settings.grown, len(WIDTHS)
        lod = max(levels - 1 - floor(phases / 2) - min(max(phases % 2 - 1, 0), 1), 0)
        for generator in (self.generator, self.average):
            generator.grow(float(lod))
        self.discriminator.lod = float(lod)
        return at_detail(real, lod)

    def _fast(self) -> torch.autocast:
        return torch.autocast(self.device, torch.bfloat16)

    def save(self, folder: Path) -> None:
        """Write what training needs to go on: a file for each network, and the step that all of them are of."""
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
        """Go on from what was written last; nothing happens where nothing was."""
        if not (folder / "state.json").exists():
            return
        told = json.loads((folder / "state.json").read_text())
        if told["name"] != self.name or any(told["settings"][key] != getattr(self.settings, key) for key in _FIXED):
            raise SystemExit(f"{folder} is of {told['name']} with other settings of {', '.join(_FIXED)}")
        self.step = told["step"]
        for name, part in self.modules().items():
            part.load_state_dict(load_file(folder / f"{name}-{self.step}.safetensors"))
        for name, optimiser in zip(self.modules(), self.optimisers, strict=False):
            _fill_moments(optimiser, load_file(folder / f"{name}-moments-{self.step}.safetensors"))


def at_detail(images: Tensor, lod: float) -> Tensor:
    """Leave out of images what a level of detail does not show."""
    below = _coarse(images, floor(lod))
    return below + (lod % 1) * (_coarse(images, floor(lod) + 1) - below) if lod % 1 else below


def _coarse(images: Tensor, levels: int) -> Tensor:
    return interpolate(avg_pool2d(images, 2**levels), scale_factor=2.0**levels) if levels else images


def _moments(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """List what Adam knows of each parameter, by its place."""
    return {
        f"{place}.{key}": value
        for place, parameter in enumerate(_parameters(optimiser))
        for key, value in optimiser.state[parameter].items()
    }


def _fill_moments(optimiser: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    parameters = _parameters(optimiser)
    for name, value in state.items():
        place, _, key = name.partition(".")
        parameter = parameters[int(place)]
        optimiser.state[parameter][key] = value.clone() if key == "step" else value.to(parameter.device, copy=True)


def _parameters(optimiser: torch.optim.Optimizer) -> Sequence[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    with atomic_file(path) as part:
        save_file({key: tensor.detach().cpu().clone().contiguous() for key, tensor in tensors.items()}, part)
