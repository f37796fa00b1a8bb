"""What a tuning has done: to the pictures, and to the images of other codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.region import Region
from zoo.editing.render import render
from zoo.inversion.fit import decibels, squared_errors
from zoo.inversion.options import TuneOptions
from zoo.inversion.pictures import Target
from zoo.inversion.tuning.tune import TunedNetwork
from zoo.models.model import Model
from zoo.models.tuned import digest, recorded_settings, save_tuned

# At how many drawn codes the change of other images is measured.
UNSEEN = 32


@dataclass(frozen=True, eq=False)
class Tuning:
    """A model whose weights were tuned, so that it draws some pictures.

    Attributes:
        model: The tuned model.
        tensors: The weights that were changed, by the keys of the network's state dict.
        images: What the tuned model draws of the codes (n, 3, h, w), in [-1, 1].
        errors: The mean squared difference from each picture, inside the region.
        moved: The mean squared change of the images of drawn codes, which should have stayed.
        options: How the weights were tuned.
        interrupted: Whether Ctrl-C ended the tuning.
    """

    model: Model
    tensors: Mapping[str, Tensor]
    images: Tensor
    errors: tuple[float, ...]
    moved: float
    options: TuneOptions
    interrupted: bool

    @classmethod
    def of(
        cls,
        model: Model,
        tuned: TunedNetwork,
        options: TuneOptions,
        *,
        codes: Codes,
        targets: Sequence[Target],
        region: Region,
        unseen: Codes,
    ) -> Tuning:
        """Measure what a tuning has done.

        Args:
            model: The model before.
            tuned: The tuned network.
            options: How it was tuned.
            codes: The codes (n) that it was tuned at.
            targets: Their pictures (n).
            region: The pixels that counted.
            unseen: Codes that the tuning has not seen.

        Returns:
            The result.

        Raises:
            CheckpointError: If an image is not finite.
        """
        after = replace(model, adapter=tuned.adapter, tuned_sha256=digest(model.weights_sha256, tuned.tensors))
        images = as_rgb(render(after, codes)).clamp(-1, 1).float()
        before, now = (render(one, unseen).clamp(-1, 1).double() for one in (model, after))
        return cls(
            model=after,
            tensors=tuned.tensors,
            images=images,
            errors=tuple(squared_errors(targets, images, region)),
            moved=float((now - before).square().mean()),
            options=options,
            interrupted=tuned.interrupted,
        )

    @property
    def psnr(self) -> tuple[float, ...]:
        """The peak signal-to-noise ratio of each picture, in decibels."""
        return tuple(map(decibels, self.errors))

    @property
    def agreement(self) -> float:
        """How near the images of other codes are to those before, as a peak signal-to-noise ratio in decibels."""
        return decibels(self.moved)

    def sentence(self) -> str:
        """Say in words what the tuning costs.

        Returns:
            A sentence without its full stop.
        """
        return (
            f"the tuned network draws the pictures at {min(self.psnr):.1f} dB or more; its images of {UNSEEN} other "
            f"codes agree with those before at {self.agreement:.1f} dB"
        )

    def as_json(self) -> dict[str, Any]:
        """Tell the figures as they are written to files.

        Returns:
            The figures by name.
        """
        return {
            "tuned_sha256": self.model.tuned_sha256,
            "psnr": [round(psnr, 2) for psnr in self.psnr],
            "agreement": round(self.agreement, 2),
            "tensors": len(self.tensors),
            "numbers": sum(tensor.numel() for tensor in self.tensors.values()),
            "interrupted": self.interrupted,
        }

    def save(self, path: Path, record: Mapping[str, Any], pictures: Sequence[str]) -> None:
        """Write the tuned weights.

        Args:
            path: The file.
            record: What the projection depends on; it names the weights and their licence.
            pictures: The names of the pictures.

        Raises:
            OutputError: If the operating system refuses.
        """
        card = self.model.card
        own = {"adapter": card.adapter, "settings": recorded_settings(self.model), "pictures": list(pictures)}
        save_tuned(path, self.tensors, {**record, **own, **self.as_json()})
