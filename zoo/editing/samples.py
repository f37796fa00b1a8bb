"""Drawing images: a picture of all of them, and a file each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from PIL import Image
from torch import Tensor

from zoo._utils.html_repr import facts_html, image_html
from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes
from zoo.core.files.codes import GivenCodes
from zoo.editing.render import MOST_BYTES, check_memory_limit, iter_pixels, reduced_note, render
from zoo.editing.requests import USUAL_OPENING, CodesRequest, OpeningRequest, as_path, codes_command
from zoo.editing.run_folder import (
    Written,
    claimed_run_folder,
    new_run_folder,
    picture_name,
    short_model_name,
    usual_run_folder,
)
from zoo.imaging.background import InBackground
from zoo.imaging.contact_sheet import draw_grid
from zoo.imaging.images import data_url, picture_side, save_picture, write_png
from zoo.models.model import Model
from zoo.registry.registry import Installation

# How many codes are drawn unless a number is given, and how many of them stand side by side at least.
USUAL_SAMPLES = 16
_LEAST_COLUMNS = 8


@dataclass(frozen=True, eq=False)
class Samples:
    """Codes of a model, and the images that it makes of them.

    Attributes:
        codes: The codes (n).
        model: The model.
        command: The command line that writes the same again; None where it is not from one.
    """

    codes: Codes
    model: Model
    command: str | None = None

    @cached_property
    def images(self) -> Tensor:
        """The images (n, channels, h, w), nominally in [-1, 1] and never clamped; they are made when first asked for.

        Raises:
            OptionError: If they do not fit into memory.
            CheckpointError: If an image is not finite.
        """
        adapter = self.model.adapter
        numbers_each = adapter.channels * math.prod(adapter.resolution)
        check_memory_limit(self.model, len(self.codes), numbers_each * adapter.dtype.itemsize, "codes")
        return render(self.model, self.codes)

    def save(
        self,
        folder: str | Path,
        *,
        each: bool = False,
        size: str | int | None = None,
        force: bool = False,
        progress: Progress = silent,
    ) -> None:
        """Write a new folder: `samples.png`, `codes.safetensors`, and with `each` a PNG of every picture.

        `samples.png` shows the pictures side by side, and says so where they are reduced. The others have the size that
        the network draws; they are called ``code-0000.png`` and so on, or ``seed-0007.png`` where each code has
        another seed. They are written one after the other, so that their number is not bounded by memory; of those that
        are too many for it, `samples.png` shows the first.

        Args:
            folder: The folder to write.
            each: Write a PNG of every picture.
            size: Pixels of the longer side of each picture in `samples.png`, or ``native``; None is 128 to 256.
            force: Replace an existing run folder.
            progress: Called while the images are rendered and written.

        Raises:
            OptionError: If `size` is out of range, or the pictures are too many for `samples.png` and `each` is false.
            CheckpointError: If an image is not finite.
            OutputError: If the folder exists and may not be replaced, or cannot be written.
        """
        shown = self._shown(size, each=each)
        with new_run_folder(folder, force=force) as partial, InBackground() as background:
            pictures = iter_pixels(self.model, self.codes, progress)
            if each:
                pictures = self._saved(pictures, partial, background)
            grid = self._grid(pictures, shown, size)
            for _ in pictures:  # beyond those that are shown, for their files
                pass
            progress(0, 1, "writing samples.png")
            write_png(grid, partial / "samples.png")
            progress(1, 1, "writing samples.png")
            self.model.save_codes(partial / "codes.safetensors", self.codes, self.command)

    def __repr__(self) -> str:
        return f"Samples({self.model.name}: {self.codes!r})"

    def _repr_html_(self) -> str:
        """Show a notebook the picture of all."""
        grid = self._grid(iter_pixels(self.model, self.codes), self._shown(None, each=False), None)
        return facts_html("Samples", {"of": self.model.name, "codes": len(self.codes)}) + image_html(
            data_url(grid), f"samples of {self.model.name}"
        )

    def _shown(self, size: str | int | None, *, each: bool) -> int:
        """Return how many pictures the grid shows; refuse more than fit, unless they have files of their own."""
        side = picture_side(size, max(self.model.adapter.resolution))
        bytes_each = self.model.adapter.channels * side**2
        most = MOST_BYTES // bytes_each
        if each and most:
            return min(len(self.codes), most)
        check_memory_limit(self.model, len(self.codes), bytes_each, "codes, or pass --each (from Python, each=True)")
        return len(self.codes)

    def _saved(self, pictures: Iterator[Tensor], folder: Path, background: InBackground) -> Iterator[Tensor]:
        """Write each picture to a file while the next ones are drawn."""
        for index, pixels in enumerate(pictures):
            background.start(save_picture, folder / picture_name(self.codes, index), pixels)
            yield pixels

    def _grid(self, pictures: Iterator[Tensor], shown: int, size: str | int | None) -> Image.Image:
        count = len(self.codes)
        named = self.codes.naming_seeds is not None
        return draw_grid(
            (pixels for _, pixels in zip(range(shown), pictures, strict=False)),
            shown,
            columns=max(_LEAST_COLUMNS, math.isqrt(shown)),
            captions=[self.model.code_name(self.codes, index) for index in range(shown)] if named else (),
            side=picture_side(size, max(self.model.adapter.resolution)),
            note=f"The first {shown:,} of {count:,} pictures." if shown < count else "",
        )


def sample(
    model: Model,
    *,
    codes: GivenCodes | None = None,
    samples: int | None = None,
    seed: int | None = None,
    seeds: str | Sequence[int] | None = None,
    label: int | str | None = None,
    truncation: float | None = None,
) -> Samples:
    """Draw images.

    Args:
        model: The model.
        codes: The codes, a file or an array of them; None draws them.
        samples: How many codes to draw; None is 16.
        seed: The seed that they are drawn with; None is 0.
        seeds: Draw one code with each of these seeds instead, such as ``1,2,3`` or ``1-8``.
        label: The class of a conditional model, by name or index.
        truncation: The truncation of drawn codes, 0 (the mean) to 2.

    Returns:
        The codes and their images, which are made when they are looked at or saved.

    Raises:
        CodesError: If the codes cannot be read, or do not fit the model.
        OptionError: If another argument is out of range.
        UnknownNameError: If the model has no class of that name.
    """
    request = CodesRequest(
        codes=as_path(codes),
        samples=samples,
        seed=seed,
        seeds=seeds,
        label=label,
        truncation=truncation,
        usual=USUAL_SAMPLES,
    )
    return Samples(request.take(model), model)


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleRequest:
    """Images to draw, in the words of the command line.

    Attributes:
        model: The name of a card, or the path of a weights file.
        opening: How the model is opened.
        codes: The codes to draw or to read.
        each: Write a PNG of every picture in the size that the network draws.
        size: See `Samples.save`.
        out: The folder to write; None is one under ``runs/``.
        force: Replace an existing run folder.
    """

    model: str
    opening: OpeningRequest = USUAL_OPENING
    codes: CodesRequest = field(default_factory=lambda: CodesRequest(usual=USUAL_SAMPLES))
    each: bool = False
    size: str | None = None
    out: Path | None = None
    force: bool = False

    def run(self, installation: Installation, progress: Progress = silent) -> Written:
        """Open the model, draw or read the codes, and write the folder.

        Args:
            installation: The plugins and the registry.
            progress: Called while the work goes on.

        Returns:
            What was written.

        Raises:
            ZooError: Whatever is wrong with the request; an existing folder is refused before anything is fetched.
        """
        folder = self.out or self._usual_folder()
        with claimed_run_folder(folder, force=self.force):
            self.codes.check()
            picture_side(self.size, 1)
            model = self.opening.open(self.model, installation, progress)
            made = Samples(self.codes.take(model), model, self._command(model))
            made.save(folder, each=self.each, size=self.size, force=self.force, progress=progress)
            return Written(folder, () if self.each else reduced_note(model, "samples.png", self.size))

    def _command(self, model: Model) -> str | None:
        words = {"each": self.each, "size": self.size}
        return codes_command(["zoo", "sample", model.opening.name], self.codes, words, {"each": False}, model)

    def _usual_folder(self) -> Path:
        drawn = {"each": self.each or None, "size": self.size}
        choices = {**self.codes.choices(), **self.opening.choices(), **drawn}
        count = choices.pop("samples")
        parts = (short_model_name(self.model), "samples", *([] if count is None else [str(count)]))
        return usual_run_folder(parts, choices, {})
