"""From pictures to codes: reading, searching or asking a projector, and judging what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo._version import __version__
from zoo.core.analyzer import Scorer
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.options import parse_options
from zoo.core.projector import Pictures
from zoo.core.region import Region
from zoo.core.sampling import derived_generator
from zoo.editing.render import render
from zoo.inversion.fit import Fit, squared_errors
from zoo.inversion.framing import Framing
from zoo.inversion.options import AUTO, FeatureOptions, SearchOptions, TuneOptions
from zoo.inversion.pictures import GivenPicture, PictureReader, Target
from zoo.inversion.projectors import ask_projector
from zoo.inversion.readback import read_back
from zoo.inversion.result import Inversion
from zoo.inversion.solving.candidates import REPRODUCED, Candidate, found_codes
from zoo.inversion.solving.prior import Prior
from zoo.inversion.solving.problem import Problem
from zoo.inversion.solving.search import Search
from zoo.inversion.solving.starts import Starts, draw_for_prior, draw_starts
from zoo.inversion.tuning.result import UNSEEN, Tuning
from zoo.inversion.tuning.tune import Pivots, step_seconds, tune_network
from zoo.jacobian.outputs import Output
from zoo.jacobian.timm_features import open_output
from zoo.models.model import Model
from zoo.plugins.entries import ProjectorPlugin
from zoo.plugins.manager import Plugins
from zoo.scoring.choosing import fitting_scorers


@dataclass(frozen=True, kw_only=True)
class ProjectionSettings:
    """How pictures are projected.

    Attributes:
        projector: The plugin that finds codes; None is zoo's own search.
        options: The options of the projector, or of the feature loss.
        search: What is asked of the search.
        loss: ``pixels``, or ``features``, which adds the features of a network.
        region: The pixels that count.
        align: What is taken of photographs; see `Framing.of`.
        label: The class of a conditional model, by name or index; ``auto`` finds it.
        seed: The seed of everything that is drawn.
        memory: Bytes for derivatives; None is what the usual batch needs.
        tune: How the network is fine-tuned at the codes that were found; None leaves it as it is.
    """

    projector: ProjectorPlugin | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    search: SearchOptions = field(default_factory=SearchOptions)
    loss: str = "pixels"
    region: str = "all"
    align: str = "auto"
    label: int | str = AUTO
    seed: int = 0
    memory: int | None = None
    tune: TuneOptions | None = None


@dataclass(frozen=True, eq=False)
class _Task:
    """Pictures to project in a model."""

    model: Model
    targets: Sequence[Target]
    region: Region
    label: int | None
    settings: ProjectionSettings
    progress: Progress

    @cached_property
    def pictures(self) -> Tensor:
        """The pictures (n, 3, h, w), on the network's device and in its dtype."""
        adapter = self.model.adapter
        return torch.stack([target.pixels for target in self.targets]).to(adapter.device, adapter.dtype)

    @cached_property
    def prior(self) -> Prior:
        """The coordinates of codes."""
        return Prior.of(self.model.adapter, draw_for_prior(self.model.adapter, self.generator("prior"), self.label))

    @cached_property
    def features(self) -> Output | None:
        """The map of pixels whose difference counts beside that of the pixels."""
        if self.settings.loss != "features":
            return None
        options = parse_options("project", FeatureOptions, self.settings.options)
        return open_output(options, self.model.adapter, self.progress)

    @property
    def budget(self) -> ComputeBudget:
        return ComputeBudget(memory=self.settings.memory)

    def generator(self, what: str) -> torch.Generator:
        return derived_generator(self.settings.seed, what)


@dataclass(frozen=True, eq=False)
class _Found:
    """Codes of pictures (n), and how each was found: None where a plugin did."""

    codes: Codes
    candidates: Sequence[Candidate | None]
    tried: Sequence[int]
    method: str
    interrupted: bool = False


def project_pictures(
    model: Model,
    given: GivenPicture | Sequence[GivenPicture],
    settings: ProjectionSettings,
    plugins: Plugins,
    progress: Progress = silent,
) -> Inversion:
    """Find codes whose images are some pictures.

    Args:
        model: The model.
        given: The pictures; see `zoo.inversion.pictures.PictureReader`.
        settings: How.
        plugins: The installed plugins, for scorers.
        progress: Called while the work goes on.

    Returns:
        The codes and how good they are. After Ctrl-C, those that had been found.

    Raises:
        KeyboardInterrupt: If nothing had been found.
        ZooError: Whatever is wrong with the pictures or the settings.
    """
    region = model.region(settings.region)
    label = _read_label(model, settings.label)
    reader = PictureReader(model.adapter, Framing.of(settings.align, model))
    task = _Task(model, reader.read(given), region, label, settings, progress)
    found = _search(task) if settings.projector is None else _ask(task, settings.projector)
    fits = _judge(task, found, fitting_scorers(model.card, plugins.scorers))
    tuning = None if settings.tune is None or found.interrupted else _tune(task, found, settings.tune)
    return Inversion(
        codes=found.codes,
        pictures=tuple(task.targets),
        fits=fits,
        model=model,
        region=region,
        method=found.method,
        skipped=reader.skipped,
        record=_record(model, settings),
        interrupted=found.interrupted or (tuning is not None and tuning.interrupted),
        tuning=tuning,
    )


def _read_label(model: Model, label: int | str) -> int | None:
    """Read the class; None finds it."""
    if label == AUTO and AUTO not in model.adapter.classes:
        return None
    return model.label_index(label)


def _search(task: _Task) -> _Found:
    """Find codes by zoo's own search."""
    adapter, settings = task.model.adapter, task.settings
    problem = Problem(adapter, task.prior, task.pictures, task.region, budget=task.budget)
    if task.features is not None:
        problem = problem.with_features(task.features)
    drawn = draw_starts(adapter, task.generator("starts"), task.label)
    starts = Starts(task.model, drawn, task.pictures, task.region, task.progress)
    search = Search(problem, starts, settings.search, task.progress, task.generator("starts of a class"))
    interrupted = False
    try:
        search.run()
    except KeyboardInterrupt:
        interrupted = True
        if None in search.found:
            raise
    found = [candidate for candidate in search.found if candidate is not None]
    codes = adapter.normalize(found_codes(problem, found))
    return _Found(codes, found, search.tried, search.method, interrupted)


def _ask(task: _Task, plugin: ProjectorPlugin) -> _Found:
    """Have a plugin find codes."""
    pictures = Pictures(
        images=task.pictures,
        region=task.region,
        label=task.label,
        generator=task.generator("projector"),
        progress=task.progress,
        budget=task.budget,
    )
    codes = ask_projector(plugin, task.settings.options, task.model, pictures)
    nothing = [None] * len(codes)
    return _Found(codes, nothing, [0] * len(codes), f"{plugin.name}: {plugin.summary}")


def _judge(task: _Task, found: _Found, scorers: Mapping[str, Scorer]) -> tuple[Fit, ...]:
    """Measure how well codes draw their pictures, and how far out they lie."""
    model, codes = task.model, found.codes
    images = as_rgb(render(model, codes)).clamp(-1, 1).float()
    errors = squared_errors(task.targets, images, task.region)
    far_out = task.prior.distance(codes).tolist()
    distances = far_out if task.prior.lengths_count else [None] * len(codes)
    attributes = read_back(model, scorers, torch.stack([target.pixels for target in task.targets]), images)
    fits = []
    for index, (target, candidate) in enumerate(zip(task.targets, found.candidates, strict=True)):
        layered = model.adapter.space.layers > 1
        fits.append(
            Fit(
                name=target.name,
                error=errors[index],
                distance=distances[index],
                label=None if codes.labels is None else model.adapter.classes[int(codes.labels[index])],
                rows=candidate.rows if candidate is not None and layered else None,
                ridge=None if candidate is None else candidate.ridge,
                starts=found.tried[index],
                how=found.method if candidate is None else candidate.how,
                attributes=attributes[index],
            )
        )
    return tuple(fits)


def _tune(task: _Task, found: _Found, options: TuneOptions) -> Tuning:
    """Fine-tune the network at the codes that were found, and measure what that does."""
    pivots = Pivots(found.codes, task.pictures, task.region, task.features)
    generator = task.generator("tuning")
    tuned = tune_network(task.model, pivots, options, generator, budget=task.budget, progress=task.progress)
    unseen = task.model.draw(UNSEEN, task.generator("unseen by the tuning"), label=task.label)
    return Tuning.of(
        task.model, tuned, options, codes=found.codes, targets=task.targets, region=task.region, unseen=unseen
    )


def tuning_seconds(result: Inversion) -> float | None:
    """Measure how long the usual tuning of a projection would take, by one step of it.

    Args:
        result: The projection.

    Returns:
        Seconds; None where the network cannot be tuned, or draws the pictures already.
    """
    if all(fit.error <= REPRODUCED for fit in result.fits):
        return None
    adapter = result.model.adapter
    pictures = torch.stack([target.pixels for target in result.pictures]).to(adapter.device, adapter.dtype)
    options = TuneOptions()
    step = step_seconds(result.model, Pivots(result.codes, pictures, result.region), options)
    return None if step is None else step * options.steps * len(result)


def _record(model: Model, settings: ProjectionSettings) -> dict[str, Any]:
    """Record everything that the result depends on."""
    return {
        "model": model.name,
        **model.weights,
        "space": model.adapter.space.as_json(),
        "licence": str(model.card.licence),
        "projector": None if settings.projector is None else settings.projector.name,
        "options": {name: str(value) for name, value in settings.options.items()},
        "search": vars(settings.search) if settings.projector is None else None,
        "loss": settings.loss,
        "region": settings.region,
        "align": settings.align,
        "asked_label": settings.label,
        "tune": None if settings.tune is None else vars(settings.tune),
        "seed": settings.seed,
        "device": model.adapter.device.type,
        "dtype": model.dtype,
        "network_options": {name: str(value) for name, value in model.opening.options.items()},
        "threads": torch.get_num_threads(),
        "torch_version": torch.__version__,
        "zoo_version": __version__,
    }
