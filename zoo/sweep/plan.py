"""A sweep checked whole: every cell fits its model, and has a name that tells everything its result depends on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from zoo._utils.progress import Progress, silent
from zoo._version import __version__
from zoo.analysis.reading import check_capabilities, read_layers, read_region
from zoo.analysis.request import CheckedRequest, check_request
from zoo.core.codes import Codes
from zoo.core.files.digests import digests_of
from zoo.editing.requests import card_by_name
from zoo.errors import SweepError, ZooError
from zoo.models.choices import choose_device, choose_dtype
from zoo.models.limits import check_truncation
from zoo.models.model import Model
from zoo.registry.registry import Installation
from zoo.scoring.choosing import ALL_FITTING
from zoo.sweep.cells import Cell, ModelWords, Settings
from zoo.sweep.grid import Sweep

_Result = TypeVar("_Result")

# Hexadecimal digits of a cell's name.
_DIGITS = 16
# Wrong cells that are told one by one.
_MOST_TOLD = 200
# Images that are rendered to learn how long one takes.
_TIMED_IMAGES = 4


@dataclass(frozen=True)
class PlannedCell:
    """A cell that fits its model.

    Attributes:
        id: The digest of everything that its result depends on.
        cell: The cell.
        seconds: A rough figure of how long it takes; None where that was not asked.
    """

    id: str
    cell: Cell
    seconds: float | None = None


@dataclass(frozen=True)
class Plan:
    """The cells of a sweep, each of them checked.

    Attributes:
        file_sha256: The hash of the sweep's file.
        settings: What all cells have in common.
        cells: The cells, in the order of the file.
        twice: How many cells of the file are the same as an earlier one, and left out.
    """

    file_sha256: str
    settings: Settings
    cells: tuple[PlannedCell, ...]
    twice: int = 0

    def shard(self, index: int, count: int) -> tuple[PlannedCell, ...]:
        """Return the cells of one shard.

        Args:
            index: Which shard, from 1.
            count: How many there are.

        Returns:
            Every `count`-th cell.
        """
        return self.cells[index - 1 :: count]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "format": "zoo-sweep/1",
            "file_sha256": self.file_sha256,
            "settings": asdict(self.settings),
            "cells": [{"cell": one.id, **one.cell.as_json()} for one in self.cells],
        }


def make_plan(
    sweep: Sweep,
    installation: Installation,
    *,
    timed: bool = False,
    progress: Progress = silent,
    tell: Callable[[str], None] = print,
) -> Plan:
    """Check every cell, first without any network and then with each model opened once.

    Args:
        sweep: The content of the file.
        installation: The plugins and the registry.
        timed: Estimate how long each cell takes.
        progress: Called while weights are fetched and networks are built.
        tell: Called with a line for each wrong cell.

    Returns:
        The plan.

    Raises:
        SweepError: If any cell is wrong.
    """
    planner = _Planner(sweep.settings, installation, timed, progress)
    planned: dict[str, PlannedCell] = {}

    def plan(cell: Cell) -> None:
        one = planner.plan(cell)
        planned.setdefault(one.id, one)

    wrong = list(_errors(planner.check, sweep.cells)) or list(_errors(plan, _by_model(sweep)))
    if wrong:
        for cell, error in wrong[:_MOST_TOLD]:
            tell(f"{cell}: {error}")
        if len(wrong) > _MOST_TOLD:
            tell(f"and {len(wrong) - _MOST_TOLD:,} more")
        raise SweepError(f"{sweep.file}: {len(wrong):,} of {len(sweep.cells):,} cells are wrong, and nothing was run")
    return Plan(sweep.sha256, sweep.settings, tuple(planned.values()), len(sweep.cells) - len(planned))


def _by_model(sweep: Sweep) -> Iterator[Cell]:
    """Yield the cells of each model together, in the order in which models and cells stand in the file."""
    places = {key: place for place, key in enumerate(dict.fromkeys(model_key(cell.model) for cell in sweep.cells))}
    yield from sorted(sweep.cells, key=lambda cell: places[model_key(cell.model)])


def model_key(model: ModelWords) -> str:
    """Return a text that is the same for models that are opened alike.

    Args:
        model: The model.
    """
    return _digestible(asdict(model))


def _errors(check: Callable[[Cell], object], cells: Iterable[Cell]) -> Iterator[tuple[Cell, ZooError]]:
    for cell in cells:
        try:
            check(cell)
        except ZooError as error:
            yield cell, error


def _digestible(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


class _Known:
    """What has been looked up, so that it is not done again for the next cell."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def once(self, work: Callable[[], _Result], *key: Any) -> _Result:
        """Return what `work` returned or raised when it was first called with a key."""
        text = _digestible(key)
        if text not in self.found:
            try:
                self.found[text] = work()
            except ZooError as error:
                self.found[text] = error
        found: Any = self.found[text]
        if isinstance(found, ZooError):
            raise found.with_traceback(None)
        return cast(_Result, found)


class _Planner:
    """Checks cells; what several cells have in common is looked at once."""

    def __init__(self, settings: Settings, installation: Installation, timed: bool, progress: Progress) -> None:
        self.settings, self.installation = settings, installation
        self.timed, self.progress = timed, progress
        self.checked, self.of_model = _Known(), _Known()
        self.key: str | None = None
        self.scorer = ALL_FITTING if settings.scorer is None else settings.scorer.choice()
        choose_dtype(settings.dtype)
        self.device = choose_device(settings.device).type

    def check(self, cell: Cell) -> CheckedRequest:
        """Check what needs no network."""
        request = cell.request(self.settings)
        request.codes.check()
        check_truncation(cell.truncation)
        card = self.checked.once(lambda: card_by_name(cell.model.name, self.installation), "card", cell.model.name)
        return self.checked.once(
            lambda: check_request(request, self.installation, card, space=cell.model.space),
            *("request", cell.model.name, cell.model.space, asdict(cell.analyzer), cell.region),
        )

    def model(self, words: ModelWords) -> Model:
        """Open a model, and close the one before it."""
        key = model_key(words)
        if self.key != key:
            self.key, self.of_model = key, _Known()
        opening = self.settings.opening(words)
        return self.of_model.once(lambda: opening.open(words.name, self.installation, self.progress), "open")

    def plan(self, cell: Cell) -> PlannedCell:
        """Check a cell with its model, and name it."""
        return PlannedCell(self.name(cell), cell, self.estimate(cell) if self.timed else None)

    def name(self, cell: Cell) -> str:
        """Digest everything that the result of a cell depends on."""
        model = self.model(cell.model)
        facts = {
            "model": self.of_model.once(lambda: self._model_facts(model), "model"),
            "analysis": self.of_model.once(
                lambda: self._analysis_facts(cell, model), "analysis", asdict(cell.analyzer), cell.region, cell.layers
            ),
            "label": self.of_model.once(lambda: _class_of(model, cell.label), "label", cell.label),
            "codes": [cell.seed, cell.samples or 1, cell.truncation],
            "settings": {**asdict(self.settings), "device": self.device},
        }
        return hashlib.sha256(_digestible(facts).encode()).hexdigest()[:_DIGITS]

    def _model_facts(self, model: Model) -> dict[str, Any]:
        plugins = self.installation.plugins
        return {
            "name": model.name,
            "weights": model.weights,
            "layout": model.layout,
            "space": model.adapter.space.as_json(),
            "config": model.card.config,
            "options": [model.opening.options, model.opening.settings],
            "classes": model.adapter.classes,
            "versions": [__version__, torch.__version__, plugins.provider("zoo_adapters", model.card.adapter)],
            "scorers": {
                name: plugins.provider("zoo_scorers", name) for name in self.scorer.scorers(model.card, plugins)
            },
            "words": digests_of(self.scorer.options),
        }

    def _analysis_facts(self, cell: Cell, model: Model) -> dict[str, Any]:
        checked = self.check(cell)
        check_capabilities(checked.plugin, self.installation, model.card, model.adapter.space.name)
        region = read_region(cell.region, checked.plugin, model.card, model.adapter.resolution)
        options = checked.options.model_dump(mode="json")
        return {
            "analyzer": [checked.plugin.name, self.installation.plugins.provider("zoo_analyzers", checked.plugin.name)],
            "options": options,
            "files": digests_of({name: value for name, value in checked.options if isinstance(value, Path)}),
            "region": [cell.region, hashlib.sha256(region.mask.tobytes()).hexdigest()],
            "layers": read_layers(cell.layers, checked.plugin, model),
        }

    def estimate(self, cell: Cell) -> float:
        """Estimate the seconds of a cell from how long an image takes, and from how many are rendered."""
        model, plugin, settings = self.model(cell.model), self.check(cell).plugin, self.settings
        each = self.of_model.once(lambda: _seconds_an_image(model), "seconds")
        images = 2 * settings.show * (settings.unseen + min(cell.samples or 1, 16)) + 30 * settings.show
        if "derivative" in plugin.requires:  # a column of the Jacobian takes about as long as two images
            images += 2 * model.adapter.space.dim * (cell.samples or 1)
        return each * images


def _class_of(model: Model, label: int | str | None) -> int | None:
    return None if label is None else model.label_index(label)


def _seconds_an_image(model: Model) -> float:
    codes: Codes = model.sample(_TIMED_IMAGES)
    model.render(codes)  # the first time, torch prepares itself
    begun = time.perf_counter()
    model.render(codes)
    return (time.perf_counter() - begun) / _TIMED_IMAGES
