"""What a projection found: codes, how good they are, and its run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from zoo._utils.html_repr import facts_html, image_html, table_html
from zoo._utils.pixels import to_pixels
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.region import Region
from zoo.editing.onto.record import RECORD
from zoo.editing.render import render
from zoo.editing.run_folder import new_run_folder, picture_name
from zoo.errors import InterruptedSearchError
from zoo.imaging.contact_sheet import draw_pages, save_pages
from zoo.imaging.images import OutlinedImage, data_url, picture_side, save_picture
from zoo.inversion.fit import Fit
from zoo.inversion.page import write_page
from zoo.inversion.pictures import Target
from zoo.inversion.tuning.result import Tuning
from zoo.models.model import Model
from zoo.models.tuned import NAME as TUNED_FILE


@dataclass(frozen=True, eq=False)
class Inversion:
    """Codes of pictures.

    Attributes:
        codes: One code for each picture (n); they serve wherever codes do.
        pictures: The pictures (n), as the network should draw them.
        fits: How good each code is (n).
        model: The model.
        region: The pixels that counted.
        method: How codes were sought, and why so.
        skipped: Pictures that could not be read, and why.
        record: Everything that the result depends on.
        interrupted: Whether Ctrl-C ended the search, so that some codes could be better.
        tuning: The model tuned at the codes, so that it draws the very pictures; None if that was not asked.
    """

    codes: Codes
    pictures: tuple[Target, ...]
    fits: tuple[Fit, ...]
    model: Model
    region: Region
    method: str
    skipped: Mapping[str, str]
    record: Mapping[str, Any]
    interrupted: bool = False
    tuning: Tuning | None = None

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def images(self) -> Tensor:
        """The images of the codes (n, channels, h, w), nominally in [-1, 1] and never clamped.

        Raises:
            CheckpointError: If an image is not finite.
        """
        return render(self.model, self.codes)

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Lay out the figures.

        Returns:
            The headings, and a row of texts for each picture.
        """
        rows = [self._cells(index) for index in range(len(self))]
        used = [key for key in rows[0] if any(row[key] for row in rows)]
        return used, [[row[key] for key in used] for row in rows]

    def _cells(self, index: int) -> dict[str, str]:
        fit = self.fits[index]
        return {
            "picture": fit.name,
            "PSNR": f"{fit.psnr:.1f} dB",
            "tuned": "" if self.tuning is None else f"{self.tuning.psnr[index]:.1f} dB",
            "distance": "" if fit.distance is None else f"{fit.distance:.2f}",
            "class": fit.label or "",
            "rows": fit.rows or "",
            "ridge": "" if fit.ridge is None else f"{fit.ridge:g}",
            "starts": str(fit.starts) if fit.starts else "",
            "attributes kept": "" if fit.kept is None else "{} of {}".format(*fit.kept),
        }

    def notes(self) -> list[str]:
        """Say what the figures leave open.

        Returns:
            Lines for the person who asked.
        """
        lines = [f"{name} was left out: {why}" for name, why in self.skipped.items()]
        lines += [note for note in (target.note() for target in self.pictures) if note]
        lines.append(self.method)
        lines += [f"{fit.name}: {fit.sentence()}" for fit in self.fits if fit.far]
        if all(fit.distance is None for fit in self.fits):
            lines.append(f"{self.model.name} normalises codes, so that none lies farther out than another")
        if self.tuning is not None:
            lines.append(self.tuning.sentence())
        if self.interrupted:
            lines.append("interrupted: these codes are what had been found so far")
        return lines

    def raise_if_interrupted(self, folder: Path) -> None:
        """Tell the command line of Ctrl-C, once what had been found is written.

        Args:
            folder: Where it is.

        Raises:
            InterruptedSearchError: If Ctrl-C ended the search.
        """
        if self.interrupted:
            raise InterruptedSearchError(f"interrupted; {folder} holds what had been found of {len(self)} pictures")

    def as_json(self) -> dict[str, Any]:
        """Tell what is known of the codes, as it is written to `projection.json`.

        Returns:
            The record, and the figures of each picture.
        """
        pictures = [
            {
                **fit.as_json(),
                "sha256": target.sha256,
                "file": None if target.path is None else str(target.path),
                "size": list(target.size),
                "frame": None if target.frame is None else vars(target.frame),
            }
            for target, fit in zip(self.pictures, self.fits, strict=True)
        ]
        return {
            "format": "zoo-projection/1",
            **self.record,
            "method": self.method,
            "tuning": None if self.tuning is None else self.tuning.as_json(),
            "interrupted": self.interrupted,
            "skipped": dict(self.skipped),
            "pictures": pictures,
        }

    def save(
        self, folder: str | Path, *, each: bool = False, size: str | int | None = None, force: bool = False
    ) -> None:
        """Write a new folder: `codes.safetensors`, `sheet.png`, `report.html` and `projection.json`.

        With tuned weights, `tuned.safetensors` holds them.

        Args:
            folder: The folder to write.
            each: Write a PNG of every found image too, in the size that the network draws.
            size: Pixels of the longer side of each picture on the sheet, or ``native``; None is 128 to 256.
            force: Replace an existing run folder.

        Raises:
            OptionError: If `size` is out of range.
            OutputError: If the folder exists and may not be replaced, or cannot be written.
        """
        side = picture_side(size, max(self.model.adapter.resolution))
        with new_run_folder(folder, force=force) as partial:
            self.model.save_codes(partial / "codes.safetensors", self.codes)
            (partial / RECORD).write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")
            if self.tuning is not None:
                self.tuning.save(partial / TUNED_FILE, self.record, [fit.name for fit in self.fits])
            save_pages(partial, "sheet", self._pages(side))
            write_page(partial, self)
            if each:
                for index, pixels in enumerate(to_pixels(self.images)):
                    save_picture(partial / picture_name(self.codes, index), pixels)
                for index, pixels in enumerate([] if self.tuning is None else to_pixels(self.tuning.images)):
                    save_picture(partial / picture_name(self.codes, index, "tuned"), pixels)

    def tiles(self, index: int) -> list[OutlinedImage]:
        """Return the pixels of one picture, of what was found, and of their difference around mid grey.

        Between the last two stands what the tuned model draws, if there is one; then the difference is that from it.

        Args:
            index: Which picture.

        Returns:
            The images, RGB; `tile_names` says what they show.
        """
        picture = self.pictures[index].pixels
        found = as_rgb(self.images[index : index + 1])[0].clamp(-1, 1).float()
        outline = None if self.region.whole else self.region.mask
        shown = [found] if self.tuning is None else [found, self.tuning.images[index]]
        images = [*shown, (shown[-1] - picture) / 2]
        return [OutlinedImage(to_pixels(picture), outline), *(OutlinedImage(to_pixels(image)) for image in images)]

    @property
    def tile_names(self) -> tuple[str, ...]:
        """What `tiles` show."""
        return ("picture", "found", *(() if self.tuning is None else ("tuned",)), "difference")

    def _pages(self, side: int | None) -> Any:
        names = [
            f"{fit.name}\n{fit.psnr:.1f} dB" + ("" if fit.distance is None else f"\ndistance {fit.distance:.2f}")
            for fit in self.fits
        ]
        return draw_pages(names, map(self.tiles, range(len(self))), self.tile_names, side=side)

    def __repr__(self) -> str:
        figures = ", ".join(f"{fit.psnr:.1f} dB" for fit in self.fits[:4])
        more = ", …" if len(self) > 4 else ""
        return f"Inversion({len(self)} pictures in {self.model.name}: {figures}{more})"

    def _repr_html_(self) -> str:
        """Show a notebook the pictures, what was found, and the figures."""
        page: Image.Image = next(self._pages(None))
        facts = facts_html("Inversion", {"of": self.model.name, "pictures": len(self), "method": self.method})
        return (
            facts
            + table_html(*self.table())
            + image_html(data_url(page), "pictures and what the model draws of their codes")
        )
