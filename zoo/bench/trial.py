"""What all methods share in one repetition: codes, readings of scorers, supervised directions, projected codes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from zoo._utils.progress import Progress
from zoo.bench.supervised import supervised_directions
from zoo.core.analyzer import Scorer
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.core.region import Region
from zoo.core.sampling import derived_generator
from zoo.editing.changes import PartMasks
from zoo.editing.measured import draw_unseen
from zoo.editing.render import render
from zoo.errors import CapabilityError
from zoo.inversion.options import SearchOptions
from zoo.inversion.project import ProjectionSettings, project_pictures
from zoo.models.model import Model
from zoo.models.rendering import render_batch_size
from zoo.plugins.manager import Plugins
from zoo.scoring.choosing import ScorerChoice
from zoo.scoring.effects import Attribute, read_attributes
from zoo.scoring.parts import part_masks
from zoo.scoring.score import checked_scores

# The standard deviation of the noise that projected pictures get, for images in [-1, 1].
_NOISE = 0.05


@dataclass(frozen=True, eq=False)
class Readings:
    """What scorers say of many drawn codes.

    Attributes:
        latents: The codes (n, dim), the mean of their rows, float64.
        scores: The scores (n, columns).
        attributes: The attributes of the columns.
    """

    latents: Tensor
    scores: Tensor
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """One repetition of a bench: everything that is drawn follows from its seed.

    Attributes:
        model: The model.
        region: Where changes count as inside, for analyses and, where no scorer knows its part, for measures.
        codes: The codes that are analysed.
        unseen: The codes that directions are measured at.
        seed: The seed.
        scorer: The scorer that was chosen; those that fit by default.
        scorers: The scorers that look at the images.
        plugins: The installed plugins.
        readings_count: How many codes are drawn for `readings`.
        pictures: How many pictures are projected.
        progress: Called while the work goes on.
    """

    model: Model
    region: Region
    codes: Codes
    unseen: Codes
    seed: int
    scorer: ScorerChoice
    scorers: Mapping[str, Scorer]
    plugins: Plugins
    readings_count: int
    pictures: int
    progress: Progress

    @cached_property
    def part(self) -> PartMasks | None:
        """The part that the region is named after, where a scorer finds it in each image."""
        return part_masks(self.region.text, self.model.card, self.scorers)

    @cached_property
    def readings(self) -> Readings | None:
        """The readings of many codes; None without scorers."""
        if not self.scorers:
            return None
        labels = None if self.codes.labels is None else self.codes.labels.tolist()
        adapter, count = self.model.adapter, self.readings_count
        repeated = torch.tensor(labels).repeat(-(-count // len(labels)))[:count] if labels else None
        drawn = adapter.sample(
            count, derived_generator(self.seed, "codes that scorers read"), repeated, self.codes.truncation
        ).to(adapter.device, adapter.dtype)
        scores = []
        size = max(32, render_batch_size(adapter))
        for start in range(0, count, size):
            self.progress(start, count, "reading images")
            scores.append(self.read(render(self.model, drawn[start : start + size])))
        self.progress(count, count, "reading images")
        return Readings(coordinates_of(drawn), torch.cat(scores), read_attributes(self.scorers))

    def read(self, images: Tensor) -> Tensor:
        """Score images (n, c, h, w) by all scorers, side by side (n, columns)."""
        shown = as_rgb(images.clamp(-1, 1))
        return torch.cat([checked_scores(scorer, shown) for scorer in self.scorers.values()], dim=1)

    @cached_property
    def supervised(self) -> Directions | None:
        """A direction for each attribute that varies, found from `readings`; None without any."""
        return self._timed_supervised[0]

    @property
    def supervised_seconds(self) -> float:
        """The processor time that `supervised` took, with the codes that scorers read."""
        return self._timed_supervised[1]

    @cached_property
    def _timed_supervised(self) -> tuple[Directions | None, float]:
        start = time.process_time()
        readings = self.readings
        found = None if readings is None else supervised_directions(self.model.adapter.space, readings)
        return found, time.process_time() - start

    @cached_property
    def projected(self) -> Codes | None:
        """Codes found of the degraded pictures of the first unseen codes; None where none is asked for."""
        count = min(self.pictures, len(self.unseen))
        if not count:
            return None
        images = as_rgb(render(self.model, self.unseen[:count])).clamp(-1, 1).cpu()
        pictures = _degraded(images, derived_generator(self.seed, "noise of pictures"))
        search = SearchOptions(starts=2)
        settings = ProjectionSettings(seed=self.seed, align="none", label=self._label, search=search)
        try:
            return project_pictures(self.model, list(pictures), settings, self.plugins, self.progress).codes
        except CapabilityError as error:
            raise CapabilityError(f"--pictures {self.pictures}: {error}, or leave them out by --pictures 0") from error

    @property
    def _label(self) -> int | str:
        labels = self.codes.labels
        return "auto" if labels is None or bool((labels != labels[0]).any()) else int(labels[0])


def _degraded(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blur images (n, 3, h, w) and add noise: a model draws its own pictures exactly, but none of others."""
    small = functional.interpolate(images.float(), scale_factor=0.5, mode="bilinear", antialias=True)
    blurred = functional.interpolate(small, images.shape[2:], mode="bilinear")
    noise = torch.randn(images.shape, generator=generator)
    return ((images + blurred) / 2 + _NOISE * noise).clamp(-1, 1)


def coordinates_of(codes: Codes) -> Tensor:
    """Return the codes as vectors (n, dim), the mean of their rows, in float64 on the CPU."""
    latents = codes.latents.detach().cpu().to(torch.float64)
    return latents if latents.ndim == 2 else latents.mean(dim=1)


def draw_trial_codes(model: Model, count: int, seed: int, codes: Codes) -> Codes:
    """Draw unseen codes of the classes and the truncation of analysed ones."""
    labels = None if codes.labels is None else codes.labels.tolist()
    return draw_unseen(model.adapter, count, seed, labels, codes.truncation)
