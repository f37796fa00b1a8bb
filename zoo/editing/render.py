"""Rendering codes: batches of images, bounded in memory, as numbers or as pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes
from zoo.editing.requests import USUAL_OPENING, CodesRequest, OpeningRequest
from zoo.editing.run_folder import folder_under_runs, new_run_folder, refuse_existing_run, short_model_name
from zoo.errors import OptionError
from zoo.imaging.images import save_grid, shown_side, to_pixels
from zoo.models.model import Model
from zoo.models.rendering import render_batches
from zoo.registry.registry import Installation

# 2.5 GiB: how much memory the pictures of one result may take. zoo as a whole then stays below 4 GB; the rest is for
# the libraries (0.5 GB), a batch that is being rendered and the page that is being drawn.
MOST_BYTES = 5 * 2**29


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleRequest:
    """Images to draw, in the words of the command line.

    Attributes:
        model: The name of a card, or the path of a weights file.
        opening: How the model is opened.
        codes: The codes to draw or to read.
        out: The folder to write; None is one under ``runs/``.
        force: Replace an existing run folder.
    """

    model: str
    opening: OpeningRequest = USUAL_OPENING
    codes: CodesRequest = field(default_factory=lambda: CodesRequest(usual=16))
    out: Path | None = None
    force: bool = False

    def run(self, installation: Installation, progress: Progress = silent) -> Path:
        """Open the model, draw or read the codes, and write the folder.

        Args:
            installation: The plugins and the registry.
            progress: Called while the work goes on.

        Returns:
            The folder that was written.

        Raises:
            ZooError: Whatever is wrong with the request; an existing folder is refused before anything is fetched.
        """
        folder = self.out or folder_under_runs(short_model_name(self.model), "samples")
        refuse_existing_run(folder, force=self.force)
        self.codes.check()
        model = self.opening.open(self.model, installation, progress)
        save_samples(model, self.codes.take(model), folder, force=self.force, progress=progress)
        return folder


def save_samples(model: Model, codes: Codes, folder: Path, *, force: bool = False, progress: Progress = silent) -> None:
    """Render codes and write `samples.png` and `codes.safetensors` into a new folder.

    Args:
        model: The model that renders them.
        codes: The codes.
        folder: The folder to write.
        force: Replace an existing run folder.
        progress: Called while the images are rendered and written.

    Raises:
        OptionError: If the pictures would take too much memory.
        OutputError: If the folder exists and may not be replaced, or cannot be written.
    """
    size = model.adapter.resolution
    bytes_each = model.adapter.channels * (math.prod(size) + shown_side(max(size)) ** 2)
    check_memory_limit(model, len(codes), bytes_each, "codes")
    pixels = render_pixels(model, codes, progress)
    with new_run_folder(folder, force=force) as partial:
        progress(0, 1, "writing samples.png")
        save_grid(partial / "samples.png", pixels, columns=max(8, math.isqrt(len(codes))))
        progress(1, 1, "writing samples.png")
        model.save_codes(partial / "codes.safetensors", codes)


def render(model: Model, codes: Codes, progress: Progress = silent) -> Tensor:
    """Render codes in batches, without derivatives.

    Args:
        model: The model.
        codes: The codes (n).
        progress: Called after each batch.

    Returns:
        Images (n, channels, h, w) on the CPU, in the network's type, nominally in [-1, 1] and not clamped.

    Raises:
        CheckpointError: If an image is not finite.
    """
    return render_batches(model.name, model.adapter, codes, Tensor.cpu, progress)


def render_pixels(model: Model, codes: Codes, progress: Progress = silent) -> Tensor:
    """Render codes to pixels, which take a quarter of the memory of `render`'s images.

    Args:
        model: The model.
        codes: The codes (n).
        progress: Called after each batch.

    Returns:
        Pixels (n, h, w, channels) of uint8 on the CPU.

    Raises:
        CheckpointError: If an image is not finite.
    """
    return render_batches(model.name, model.adapter, codes, to_pixels, progress)


def check_memory_limit(model: Model, count: int, bytes_each: int, fewer: str) -> None:
    """Refuse pictures that together take more than `MOST_BYTES`, before the first one is rendered.

    Args:
        model: The model.
        count: How many pictures there are.
        bytes_each: How many bytes each takes.
        fewer: What the message suggests to take fewer of.

    Raises:
        OptionError: If the pictures take more.
    """
    height, width = model.adapter.resolution
    most = MOST_BYTES // bytes_each
    if count > most:
        raise OptionError(
            f"{count:,} pictures of {height} x {width} pixels are too many to hold in memory, at most {most:,}: "
            f"take fewer {fewer}"
        )
