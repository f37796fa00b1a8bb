"""The contracts of analyzers and scorers. Neither asks which architecture it works on."""

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

    """

    codes: Codes
    region: Region
    layers: tuple[int, ...] | None
    generator: torch.Generator
    progress: Progress = silent
    budget: ComputeBudget = field(default_factory=ComputeBudget)
    scorers: Mapping[str, Scorer] = field(default_factory=dict)


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

    """

    attributes: ClassVar[Sequence[str]]
    parts: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def fits(self, card: Card) -> bool:
        """Tell whether the attributes are meaningful for images of a model.

        Args:
            card: the card of the model.

        Returns:
            Whether to score its images.

        """

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
