"""What is benched: the installed analyses, random directions as the floor and supervised ones as the ceiling."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from zoo.analysis.request import AnalysisRequest, check_request
from zoo.analysis.run import find_directions
from zoo.bench.trial import Trial
from zoo.core.directions import Directions
from zoo.core.options import parse_pairs
from zoo.core.sampling import derived_generator
from zoo.editing.requests import CodesRequest
from zoo.errors import OptionError, ZooError
from zoo.linalg.symmetric import unit_rows
from zoo.models.model import Model
from zoo.registry.registry import Installation

# The names of the floor and of the ceiling.
RANDOM, SUPERVISED = "random", "supervised"


@dataclass(frozen=True)
class Method:
    """One row of the tables.

    Attributes:
        name: Its name: an analysis, perhaps with options, or `RANDOM` or `SUPERVISED`.
        analyzer: The name of the analyzer; None for the others.
        options: Its options.
        region: The region that it analyses; None is the one that is measured.
    """

    name: str
    analyzer: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    region: str | None = None

    def find(self, trial: Trial, draw: int, installation: Installation, show: int) -> tuple[Directions, float]:
        """Find directions, and tell the seconds of processor time that took.

        Args:
            trial: The repetition.
            draw: Which draw of random directions.
            installation: The plugins.
            show: How many directions are measured.

        Returns:
            At most `show` directions, of supervised ones all, and the seconds.

        Raises:
            ZooError: Whatever the analyzer raises.
        """
        start = time.process_time()
        found = self._find(trial, draw, installation, show)
        seconds = trial.supervised_seconds if self.name == SUPERVISED else time.process_time() - start
        return found, seconds

    def _find(self, trial: Trial, draw: int, installation: Installation, show: int) -> Directions:
        space = trial.model.adapter.space
        if self.name == RANDOM:
            generator = derived_generator(trial.seed, f"random directions {draw}")
            drawn = torch.randn(space.dim, min(show, space.dim), generator=generator, dtype=torch.float64)
            rows = unit_rows(torch.linalg.qr(drawn).Q.T)
            return Directions(space, rows, torch.ones(len(rows)))
        if self.analyzer is None:
            assert trial.supervised is not None  # otherwise it is no method of this bench
            return trial.supervised
        request = self.request(trial.region.text, CodesRequest(codes=trial.codes, seed=trial.seed))
        request = replace(request, scorer=trial.scorer)
        return find_directions(request.resolve(trial.model, installation), trial.progress).take(show)

    def request(self, region: str, codes: CodesRequest) -> AnalysisRequest:
        """Return the request that finds the directions, of the method's own region or of this one."""
        assert self.analyzer is not None
        return AnalysisRequest(analyzer=self.analyzer, region=self.region or region, codes=codes, options=self.options)

    @classmethod
    def read(cls, text: str) -> Method:
        """Read an analysis, perhaps with options, one of which may be the region.

        Raises:
            OptionError: If an option has no value, or is named twice.
        """
        name, _, options = text.partition(":")
        pairs = parse_pairs(options.split(",")) if options else {}
        region = pairs.pop("region", None)
        return cls(text, name, pairs, region)


def read_methods(
    texts: Sequence[str] | None, model: Model, region: str, installation: Installation
) -> tuple[list[Method], dict[str, str]]:
    """Read which analyses are benched.

    Args:
        texts: Their names, each perhaps with options and a region of its own, as ``nullspace:basis=published,tau=0.01``
            or ``lowrank:region=all``; None takes all that are installed, and those that can differentiate the whole
            image a second time, with that as their region.
        model: The model.
        region: The region.
        installation: The plugins.

    Returns:
        The analyses, and of those that were not asked for by name and cannot run, the reasons.

    Raises:
        ZooError: Whatever is wrong with an analysis that was asked for.
    """
    methods: list[Method] = []
    skipped: dict[str, str] = {}
    for text in texts or _installed(installation):
        method = Method.read(text)
        if method.name in {RANDOM, SUPERVISED} or any(method.name == other.name for other in methods):
            raise OptionError(
                f"--analyzer {text}: it is measured once, and random and supervised directions always are"
            )
        try:
            check_request(
                method.request(region, CodesRequest()),
                installation,
                model.card,
                size=model.adapter.resolution,
                space=model.adapter.space.name,
            )
        except ZooError as error:
            if texts:
                raise
            skipped[text] = str(error)
        else:
            methods.append(method)
    return methods, skipped


def _installed(installation: Installation) -> list[str]:
    # Supervised directions are measured beside all others as the ceiling.
    analyzers = {name: entry for name, entry in installation.plugins.analyzers.items() if not entry.supervised}
    whole = [name for name, entry in analyzers.items() if "derivative" in entry.requires and not entry.local]
    return [*analyzers, *(f"{name}:region=all" for name in whole)]
