"""The contract of projectors: what finds the codes of pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.core.adapter import Adapter
from zoo.core.analyzer import AnyOptions
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import Region

if TYPE_CHECKING:
    from zoo.registry.cards import Card


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures whose codes are wanted.

    Attributes:
        images: (n, 3, height, width) in [-1, 1], of the network's resolution, on its device and in its dtype; a network
            of grey images gets grey pictures.
        region: the pixels that count.
        label: the class that codes shall have; None leaves it to the projector.
        generator: a CPU generator, the only source of randomness.
        progress: the callback ``progress(done, total, what)``.
        budget: the memory to use.

    """

    images: Tensor
    region: Region
    label: int | None
    generator: torch.Generator
    progress: Progress = silent
    budget: ComputeBudget = field(default_factory=ComputeBudget)

    def __len__(self) -> int:
        return len(self.images)


class Projector(ABC, Generic[AnyOptions]):
    """A way from a picture to its code, such as an encoder.

    Args:
        options: the projector's options, an instance of its own subclass of `zoo.Options`.

    """

    def __init__(self, options: AnyOptions) -> None:
        self.options = options

    def fits(self, card: Card) -> bool:
        """Tell whether the projector serves a model: an encoder serves the one that it was trained for.

        Args:
            card: the card of the model.

        Returns:
            True if it does. By default it serves all.

        """
        return True

    @abstractmethod
    def project(self, adapter: Adapter, pictures: Pictures) -> Codes:
        """Find codes, and leave the adapter, its network and all global state unchanged.

        Args:
            adapter: the generator.
            pictures: the pictures (n).

        Returns:
            One code for each picture (n), of the adapter's space, with labels where its network needs them.

        Raises:
            CapabilityError: the network is none that it can serve.

        """
