"""The contracts of analyzers and scorers. Neither asks which architecture it works on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
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
from zoo.errors import CapabilityError, unknown_name

if TYPE_CHECKING:
    from zoo.registry.cards import Card

AnyOptions = TypeVar("AnyOptions", bound=Options)


def _check_nothing(directions: Directions) -> None:
    """Check nothing: the model is not known."""


@dataclass(frozen=True, eq=False)
class Probe:
    """What an analyzer is asked about. Everything else that it can be told is one of its own options.

    Attributes:
        codes: the latent codes to analyse at, already drawn, on the network's device and in its dtype.
        region: the pixels to look at.
        layers: the rows of the code to move, which also select the projections that read them; None takes all. In a
            space with a single row, layers select projections only.
        generator: a CPU generator, for analyses that draw random numbers.
        progress: the callback ``progress(done, total, what)``.
        budget: the memory to use and the cache of Jacobians, for `zoo.jacobian.gram_matrices` and similar functions.
        scorers: the installed scorers that fit the model, by name, for analyses that look for given attributes.
        check_directions: for analyses that read a file of directions: refuses those of another space, and warns of
            those that were found in other weights than the model's.

    """

    codes: Codes
    region: Region
    layers: tuple[int, ...] | None
    generator: torch.Generator
    progress: Progress = silent
    budget: ComputeBudget = field(default_factory=ComputeBudget)
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    check_directions: Callable[[Directions], None] = _check_nothing

    def choose_scorer(self, name: str | None, missing: str) -> tuple[str, Scorer]:
        """Choose one of `scorers`, for an analysis with an option ``scorer``.

        Args:
            name: the name of one of them; None for the only one.
            missing: the message where there is none.

        Returns:
            The name, and the scorer.

        Raises:
            CapabilityError: no scorer fits the model, or several do and none is named.
            UnknownNameError: the named scorer does not fit the model.

        """
        if not self.scorers:
            raise CapabilityError(missing)
        if name is None and len(self.scorers) > 1:
            fitting = ", ".join(self.scorers)
            raise CapabilityError(f"several scorers fit this model: choose one with -o scorer=, of {fitting}")
        chosen = name or next(iter(self.scorers))
        if chosen not in self.scorers:
            raise unknown_name("scorer that fits this model", chosen, self.scorers)
        return chosen, self.scorers[chosen]


class Analyzer(ABC, Generic[AnyOptions]):
    """A method that finds directions.

    Args:
        options: the method's options, an instance of its own subclass of `zoo.Options`.

    """

    def __init__(self, options: AnyOptions) -> None:
        self.options = options

    @abstractmethod
    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Find directions, and leave the adapter, its network and all global state unchanged.

        Args:
            adapter: the generator, of any architecture.
            probe: the codes, region and layers to analyse.

        Returns:
            Directions of the adapter's space, strongest first.

        """


class Scorer(ABC):
    """A predictor of named attributes of images. A scorer that fails is skipped with a warning.

    Attributes:
        attributes: the names of the columns that `score` returns. Columns ``hair=red`` and ``hair=black`` are values of
            one categorical attribute ``hair``: the one with the highest score is the predicted value, so
            probabilities, log-probabilities and logits all serve. Any other column is a score of its own, higher
            where the image has more of the attribute.
        parts: the names of the parts of an image that `masks` finds, such as ``mouth``; empty where it finds none.
            Locality in a region of that name, or of one that ends in it such as ``micah_mouth``, is then measured by
            the masks of each image too.
        poles: what images of a low and of a high score show, by the name of the column, for scores between two
            opposites. A direction is then named "serious face to smiling face" instead of "more smile".
        against_random: whether names are given only to changes that random directions do not make: 3 standard
            deviations above what those change, which change the image as much. For scorers that react to any
            change, such as those that compare pictures with words.
        differentiable: whether `score` can be differentiated by the images, on any device.

    """

    attributes: ClassVar[Sequence[str]]
    parts: ClassVar[Sequence[str]] = ()
    poles: ClassVar[Mapping[str, tuple[str, str]]] = MappingProxyType({})
    against_random: ClassVar[bool] = False
    differentiable: ClassVar[bool] = False

    @abstractmethod
    def fits(self, card: Card) -> bool:
        """Tell whether the attributes are meaningful for images of a model.

        Args:
            card: the card of the model.

        Returns:
            Whether to score its images.

        """

    def at_hand(self, card: Card) -> bool:
        """Tell whether images of a model can be scored without fetching anything: else, a scorer must be named.

        Args:
            card: the card of the model.

        Returns:
            Whether everything that is needed is there.

        """
        return True

    def for_model(self, card: Card) -> Scorer:
        """Return what scores images of a model, for scorers whose attributes depend on it.

        Args:
            card: the card of the model.

        Returns:
            The scorer.

        Raises:
            ZooError: something that is needed is not there; the message says what.

        """
        return self

    def about(self, words: str) -> Scorer | None:
        """Return a scorer of one attribute that is described in words, for ``zoo find``.

        Args:
            words: the description, such as ``open mouth``, or two opposites with a slash between them.

        Returns:
            The scorer, with one column and its `poles`; None where words are not understood.

        """
        return None

    @abstractmethod
    def score(self, images: Tensor) -> Tensor:
        """Score a batch of images.

        Where it is made of differentiable operations of torch, outside of `torch.no_grad`, analyses can find what the
        scores respond to, as `nullspace` does with ``preserve``. Log-probabilities and logits have gradients where a
        value is certain; probabilities hardly have any.

        Args:
            images: (n, 3, height, width), in [-1, 1], as `zoo.core.as_rgb` makes them of grey and RGBA images.

        Returns:
            (n, attributes) scores.

        """

    def masks(self, images: Tensor) -> Tensor:
        """Find the parts of a batch of images.

        Args:
            images: (n, 3, height, width), in [-1, 1], as `score` gets them.

        Returns:
            (n, parts, height, width) of bool: which pixels belong to each of `parts`.

        """
        return torch.zeros(len(images), len(self.parts), *images.shape[2:], dtype=torch.bool)


def attribute_columns(columns: Sequence[str]) -> dict[str, list[int]]:
    """Group the columns of a scorer: ``hair=red`` and ``hair=black`` are values of one attribute.

    Args:
        columns: the names of the columns.

    Returns:
        The indices of each attribute's columns, by its name.

    """
    groups: dict[str, list[int]] = {}
    for index, column in enumerate(columns):
        groups.setdefault(column.partition("=")[0], []).append(index)
    return groups


def named_attributes(names: Sequence[str], known: Collection[str]) -> list[str]:
    """List the attributes that names stand for, each once; ``not:NAME`` alone is all others.

    Args:
        names: the names, at least one.
        known: the names of all attributes.

    Returns:
        Their names.

    Raises:
        UnknownNameError: there is no attribute of a name.

    """
    left_out = [name.removeprefix("not:") for name in names if name.startswith("not:")]
    wanted = [name for name in names if not name.startswith("not:")] or list(known)
    for name in (*left_out, *wanted):
        if name not in known:
            raise unknown_name("attribute that is scored", name, known)
    return [name for name in dict.fromkeys(wanted) if name not in left_out]
