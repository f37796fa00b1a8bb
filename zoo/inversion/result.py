"""What a projection found: codes, how good they are, and its run folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from zoo._utils.html_repr import facts_html, image_html, table_html
from zoo._utils.pixels import to_pixels
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.region import Region
from zoo.editing.render import render
from zoo.editing.run_folder import new_run_folder, picture_name
from zoo.errors import InterruptedSearchError
from zoo.imaging.contact_sheet import draw_pages, save_pages
from zoo.imaging.images import OutlinedImage, data_url, picture_side, save_picture
from zoo.inversion.page import TILES, write_page
from zoo.inversion.pictures import Target
from zoo.inversion.readback import ReadAttribute
from zoo.inversion.solving.candidates import FAR, REPRODUCED
from zoo.models.model import Model

# The file that tells what was found.
CARD_FILE = "projection.json"


@dataclass(frozen=True)
class Fit:
    """How well one code draws its picture.

    Attributes:
        name: The name of the picture.
        error: The mean squared difference inside the region, of images in [-1, 1].
        distance: ‖u‖/√d, how far out the code lies; about 1 for drawn codes.
        label: The name of its class, or None.
        rows: ``tied`` or ``free``; None in a space with a single row, or where a plugin found the code.
        ridge: The ridge that it was found under, or None where a plugin found it.
        starts: How many starts were tried.
        how: How it was found, in words.
        attributes: What scorers read in the picture and in the found image.
    """

    name: str
    error: float
    distance: float
    label: str | None
    rows: str | None
    ridge: float | None
    starts: int
    how: str
    attributes: tuple[ReadAttribute, ...] = ()

    @property
    def psnr(self) -> float:
        """The peak signal-to-noise ratio in decibels; 150 for what differs by less than rounding."""
        return min(150.0, 10 * math.log10(4 / max(self.error, 4e-15)))

    @property
    def kept(self) -> tuple[int, int] | None:
        """How many categorical attributes have the same value in the found image, and of how many; None without any."""
        known = [attribute.kept for attribute in self.attributes if attribute.kept is not None]
        return (sum(known), len(known)) if known else None

    def sentence(self) -> str:
        """Say in words what the figures mean for whoever wants to edit the picture.

        Returns:
            A sentence.
        """
        if self.error <= REPRODUCED:
            verdict = "the model draws this picture"
        else:
            verdict = "this is the nearest that was found to a picture which the model cannot quite draw"
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
            "distance": round(self.distance, 4),
            "label": self.label,
            "rows": self.rows,
            "ridge": self.ridge,
            "starts": self.starts,
            "how": self.how,
            "verdict": self.sentence(),
            "attributes": [attribute.as_json() for attribute in self.attributes],
        }


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
        rows = [self._cells(fit) for fit in self.fits]
        used = [key for key in rows[0] if any(row[key] for row in rows)]
        return used, [[row[key] for key in used] for row in rows]

    def _cells(self, fit: Fit) -> dict[str, str]:
        return {
            "picture": fit.name,
            "PSNR": f"{fit.psnr:.1f} dB",
            "distance": f"{fit.distance:.2f}",
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
        lines += [f"{fit.name}: {fit.sentence()}" for fit in self.fits if fit.distance > FAR]
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
            "interrupted": self.interrupted,
            "skipped": dict(self.skipped),
            "pictures": pictures,
        }

    def save(
        self, folder: str | Path, *, each: bool = False, size: str | int | None = None, force: bool = False
    ) -> None:
        """Write a new folder: `codes.safetensors`, `sheet.png`, `report.html` and `projection.json`.

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
            (partial / CARD_FILE).write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")
            save_pages(partial, "sheet", self._pages(side))
            write_page(partial, self)
            if each:
                for index, pixels in enumerate(to_pixels(self.images)):
                    save_picture(partial / picture_name(self.codes, index), pixels)

    def tiles(self, index: int) -> list[OutlinedImage]:
        """Return the pixels of one picture, of what was found, and of their difference around mid grey.

        Args:
            index: Which picture.

        Returns:
            The three images, RGB.
        """
        picture = self.pictures[index].pixels
        found = as_rgb(self.images[index : index + 1])[0].clamp(-1, 1).float()
        outline = None if self.region.whole else self.region.mask
        difference = OutlinedImage(to_pixels((found - picture) / 2))
        return [OutlinedImage(to_pixels(picture), outline), OutlinedImage(to_pixels(found)), difference]

    def _pages(self, side: int | None) -> Any:
        names = [f"{fit.name}\n{fit.psnr:.1f} dB\ndistance {fit.distance:.2f}" for fit in self.fits]
        return draw_pages(names, map(self.tiles, range(len(self))), TILES, side=side)

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
