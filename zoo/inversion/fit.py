"""How well codes draw their pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.core.region import Region
from zoo.inversion.pictures import Target
from zoo.inversion.readback import ReadAttribute
from zoo.inversion.solving.candidates import FAR, REPRODUCED


def decibels(error: float) -> float:
    """Turn a mean squared difference of images in [-1, 1] into a peak signal-to-noise ratio.

    Args:
        error: The difference.

    Returns:
        Decibels; 150 for what differs by less than rounding.
    """
    return min(150.0, 10 * math.log10(4 / max(error, 4e-15)))


@dataclass(frozen=True)
class Fit:
    """How well one code draws its picture.

    Attributes:
        name: The name of the picture.
        error: The mean squared difference inside the region, of images in [-1, 1].
        distance: ‖u‖/√d, how far out the code lies; about 1 for drawn codes. None where the network normalises codes,
            so that all lie equally far out.
        label: The name of its class, or None.
        rows: ``tied`` or ``free``; None in a space with a single row, or where a plugin found the code.
        ridge: The ridge that it was found under, or None where a plugin found it.
        starts: How many starts were tried.
        how: How it was found, in words.
        attributes: What scorers read in the picture and in the found image.
    """

    name: str
    error: float
    distance: float | None
    label: str | None
    rows: str | None
    ridge: float | None
    starts: int
    how: str
    attributes: tuple[ReadAttribute, ...] = ()

    @property
    def psnr(self) -> float:
        """The peak signal-to-noise ratio in decibels; 150 for what differs by less than rounding."""
        return decibels(self.error)

    @property
    def kept(self) -> tuple[int, int] | None:
        """How many categorical attributes have the same value in the found image, and of how many; None without any."""
        known = [attribute.kept for attribute in self.attributes if attribute.kept is not None]
        return (sum(known), len(known)) if known else None

    @property
    def far(self) -> bool:
        """Whether the code lies farther out than drawn ones do."""
        return self.distance is not None and self.distance > FAR

    def sentence(self) -> str:
        """Say in words what the figures mean for whoever wants to edit the picture.

        Returns:
            A sentence.
        """
        if self.error <= REPRODUCED:
            verdict = "the model draws this picture"
        else:
            verdict = "this is the nearest that was found to a picture which the model cannot quite draw"
        if self.distance is None:
            return verdict
        if self.distance > FAR:
            return (
                f"{verdict}, but the code lies {self.distance:.1f} times as far out as drawn ones: "
                "edits found on drawn codes will not hold here"
            )
        return f"{verdict}, with a code like drawn ones"

    def as_json(self) -> dict[str, Any]:
        """Tell the figures as they are written to files.

        Returns:
            The figures by name.
        """
        return {
            "name": self.name,
            "psnr": round(self.psnr, 2),
            "distance": None if self.distance is None else round(self.distance, 4),
            "label": self.label,
            "rows": self.rows,
            "ridge": self.ridge,
            "starts": self.starts,
            "how": self.how,
            "verdict": self.sentence(),
            "attributes": [attribute.as_json() for attribute in self.attributes],
        }


def squared_errors(pictures: Sequence[Target], images: Tensor, region: Region) -> list[float]:
    """Compute the mean squared difference of images from pictures, inside a region.

    Args:
        pictures: The pictures (n).
        images: What the network draws of them (n, 3, h, w), in [-1, 1].
        region: The region.

    Returns:
        One number for each picture.
    """
    inside = torch.from_numpy(region.mask.copy())
    found = images.double()
    return [
        float((image - target.pixels).square()[:, inside].mean()) for image, target in zip(found, pictures, strict=True)
    ]
