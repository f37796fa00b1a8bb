"""Where a search begins: at the drawn codes whose images are nearest to the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional

from zoo._utils.progress import Progress, silent
from zoo.core.adapter import Adapter
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes, join
from zoo.core.region import Region
from zoo.errors import CapabilityError
from zoo.jacobian.gram import is_large
from zoo.models.model import Model
from zoo.models.rendering import render_batches

# Codes that are drawn and compared: fewer are worse, more are not better. Fewer for images above 256².
_MOST_STARTS, _LEAST_STARTS = 256, 32
_MOST_PIXELS = 2**24
# Of a conditional network, one code of each class at least, up to so many.
_MOST_CLASSES = 1024
# Images are compared at so many pixels of a side.
_SIDE = 64
# Codes that mean and spread are measured at: some thousand, and several for each dimension. In a large space only the
# spread of each number is measured, for which few suffice; there a code may cost as much as an image.
_LEAST_FOR_PRIOR = 4096
_FOR_PRIOR_EACH = 8
_FOR_LARGE_PRIOR = 256
_FEW = 4


def draw_for_prior(adapter: Adapter, generator: torch.Generator, label: int | None) -> Codes:
    """Draw the codes that a prior is measured at.

    Args:
        adapter: The network.
        generator: A CPU generator.
        label: The class of all of them; None draws classes too.

    Returns:
        The codes.

    Raises:
        CapabilityError: All codes that the network draws are equal.
    """
    dim = adapter.space.dim
    count = _FOR_LARGE_PRIOR if is_large(dim) else max(_LEAST_FOR_PRIOR, _FOR_PRIOR_EACH * dim)
    _require_spread(adapter, label)
    labels = None if label is None else torch.full((count,), label)
    return adapter.sample(count, generator, labels)


def _require_spread(adapter: Adapter, label: int | None) -> None:
    """Refuse a space in which all drawn codes are equal, before many are drawn."""
    labels = None if label is None else torch.full((_FEW,), label)
    first, *others = adapter.sample(_FEW, torch.Generator().manual_seed(0), labels).latents
    if all(torch.equal(first, other) for other in others):
        raise CapabilityError(
            f"all codes that the network draws in its space {adapter.space.name} are equal, so there is nothing to "
            "search among: pass another --space"
        )


def draw_starts(adapter: Adapter, generator: torch.Generator, label: int | None) -> Codes:
    """Draw the codes that pictures are compared with.

    Args:
        adapter: The network.
        generator: A CPU generator.
        label: The class of all of them; None takes all classes in turn, if codes have classes.

    Returns:
        The codes, on the network's device and in its dtype.
    """
    count = _count(adapter)
    labels = None
    if label is not None:
        labels = torch.full((count,), label)
    elif adapter.needs_labels:
        count = max(count, min(len(adapter.classes), _MOST_CLASSES))
        labels = torch.arange(count) % len(adapter.classes)
    codes = adapter.sample(count, generator, labels).to(adapter.device, adapter.dtype)
    return codes if adapter.needs_labels else replace(codes, labels=None)


def _count(adapter: Adapter) -> int:
    height, width = adapter.resolution
    return min(_MOST_STARTS, max(_LEAST_STARTS, _MOST_PIXELS // (height * width)))


@dataclass(eq=False)
class Starts:
    """Drawn codes, ordered for each picture by how near their images are.

    Attributes:
        model: The model.
        codes: The codes (m).
        pictures: The pictures (n, 3, h, w).
        region: The pixels that count.
        progress: Called after each batch of codes that is rendered.
        order: Indices into `codes` for each picture, the nearest first.
    """

    model: Model
    codes: Codes
    pictures: Tensor
    region: Region
    progress: Progress = silent
    order: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        """Render the codes and compare them with the pictures. Raises `CheckpointError` if an image is not finite."""
        self.order = self._compare(self.codes, self.pictures)

    def _compare(self, codes: Codes, pictures: Tensor) -> list[list[int]]:
        inside = torch.from_numpy(self.region.mask.copy()).to(pictures)

        def reduced(images: Tensor) -> Tensor:
            seen = as_rgb(images).clamp(-1, 1) * inside
            height, width = (min(_SIDE, length) for length in seen.shape[2:])
            return functional.adaptive_avg_pool2d(seen, (height, width)).flatten(1).double()

        drawn = render_batches(self.model.name, self.model.adapter, codes, reduced, self.progress)
        wanted = reduced(pictures).cpu()
        distances = torch.cdist(wanted, drawn.cpu(), compute_mode="donot_use_mm_for_euclid_dist")
        order: list[list[int]] = distances.argsort(dim=1, stable=True).tolist()
        return order

    def take(self, pictures: Sequence[int], rank: int) -> Codes:
        """Return one start for each of some pictures.

        Args:
            pictures: Their indices (k).
            rank: Which: 0 is the nearest, then the next.

        Returns:
            The codes (k).
        """
        return self.at([self.order[picture][rank] for picture in pictures])

    def at(self, indices: Sequence[int]) -> Codes:
        """Return some of the codes.

        Args:
            indices: Which (k).

        Returns:
            The codes (k).
        """
        return join([self.codes[index] for index in indices])

    def prefer(self, picture: int, nearest: int, labels: Tensor, generator: torch.Generator) -> None:
        """Draw more starts for a picture, of the classes that it may have.

        Args:
            picture: Its index.
            nearest: The start that becomes the first, as an index into `codes`.
            labels: The classes of the codes that come next, in the order of how near they are; then come all others.
            generator: A CPU generator.
        """
        adapter = self.model.adapter
        count = _count(adapter)
        drawn = adapter.sample(count, generator, labels.cpu().repeat(count)[:count])
        others = drawn.to(adapter.device, adapter.dtype)
        order = self._compare(others, self.pictures[picture : picture + 1])[0]
        first = [nearest, *(len(self.codes) + index for index in order)]
        self.order[picture] = [*first, *(start for start in self.order[picture] if start != nearest)]
        self.codes = join([self.codes, others])

    def nearest_of_classes(self, picture: int, most: int, each: int) -> list[int]:
        """Return the nearest starts of each of the classes that come nearest to a picture.

        Args:
            picture: Its index.
            most: How many classes, at most.
            each: How many starts of a class, at most.

        Returns:
            Indices into `codes`.
        """
        classes: dict[int, list[int]] = {}
        for start in self.order[picture]:
            label = 0 if self.codes.labels is None else int(self.codes.labels[start])
            classes.setdefault(label, []).append(start)
        return [start for starts in list(classes.values())[:most] for start in starts[:each]]
