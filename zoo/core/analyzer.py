"""The contract of an analysis, and of a scorer: neither ever asks which adapter it holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.directions import Directions
from zoo.core.options import Options
from zoo.core.region import Region

if TYPE_CHECKING:
    from zoo.registry.cards import Card

AnyOptions = TypeVar("AnyOptions", bound=Options)


@dataclass(frozen=True, eq=False)
class Probe:
    """What an analysis is asked about. Everything else is an analyzer's own option.

    `codes` are already drawn; `layers` are rows of the code, and the projections that read those rows (projections
    only, where the space has a single row); `generator` is for an analysis that draws more; `budget` are the memory
    that it may use and the place where Jacobians are kept, for `zoo.jacobian.gram_matrices` and its like; `scorers` are
    the installed attribute predictors that fit the model, by name, for an analysis that is told what to look for.
    """

    codes: Codes
    region: Region
    layers: tuple[int, ...] | None
    generator: torch.Generator
    progress: Progress = silent
    budget: ComputeBudget = field(default_factory=ComputeBudget)
    scorers: Mapping[str, Scorer] = field(default_factory=dict)


class Analyzer(ABC, Generic[AnyOptions]):
    """An analysis, built from its options."""

    def __init__(self, options: AnyOptions) -> None:
        self.options = options

    @abstractmethod
    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Find directions, strongest first; leave the adapter, its network and all global state as they were."""


class Scorer(ABC):
    """A predictor of named attributes, for models that it fits; one that fails is skipped with a warning.

    `attributes` names the columns of what `score` returns. Columns ``hair=red``, ``hair=black`` are the values of one
    categorical attribute ``hair``: of these, the one of highest score is the predicted value, so that probabilities,
    their logarithms and logits all serve. Any other column is a score of its own, higher where there is more of it.
    """

    attributes: ClassVar[Sequence[str]]

    @abstractmethod
    def fits(self, card: Card) -> bool:
        """Say whether the attributes mean something for the model of this card."""

    @abstractmethod
    def score(self, images: Tensor) -> Tensor:
        """Score images (n, 3, h, w) in [-1, 1]: (n, attributes)."""
