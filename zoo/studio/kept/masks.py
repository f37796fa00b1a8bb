"""Regions from the page: painted masks, which are kept as files, and texts, which may name no others."""

from __future__ import annotations

import base64
import io
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo._utils.files import atomic_file
from zoo._utils.lookups import is_file
from zoo._utils.pictures import PictureError, open_picture
from zoo.core.files.arrays import MisfitError
from zoo.core.files.masks import read_mask
from zoo.core.region import Region, parse_region
from zoo.errors import RegionError
from zoo.models.model import Model
from zoo.studio.kept.sessions import STUDIO, short_hash
from zoo.studio.shown.description import describe_region

_MOST_PIXELS = 2**23


@dataclass(frozen=True)
class Masks:
    """The masks that were painted in the studio.

    Attributes:
        runs: The folder of all runs.
    """

    runs: Path

    @property
    def _folder(self) -> Path:
        return self.runs / STUDIO / "masks"

    def paint(self, content: bytes) -> dict[str, Any]:
        """Keep a painted mask. What is written is made anew of its pixels, so that nothing else of the file is kept.

        Args:
            content: A picture, white inside.

        Returns:
            The text that names the region, and where it is.

        Raises:
            RegionError: If it is no picture, or no mask.
        """
        mask = _read(content)
        picture = Image.fromarray(mask.astype(np.uint8) * 255)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        name = short_hash(buffer.getvalue())
        path = self._folder / f"{name}.png"
        if not is_file(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as partial:
                partial.write_bytes(buffer.getvalue())
        return {"region": f"mask:{path}", "id": name, **_described(Region("the painted region", mask))}

    def check(self, text: str) -> str:
        """Refuse a text that names a file which is none of the studio's masks.

        Args:
            text: A region in words.

        Returns:
            The text.

        Raises:
            RegionError: If it names another file.
        """
        own = re.compile(rf"mask:{re.escape(str(self._folder))}[/\\][0-9a-f]{{16}}\.png(?![^+])")
        if "mask:" in own.sub("", text):
            raise RegionError("a page may name no mask but those that were painted in the studio")
        return text

    def describe(self, model: Model, text: str) -> dict[str, Any]:
        """Read a region in words.

        Args:
            model: The model.
            text: The words.

        Returns:
            The text, and where the region is.

        Raises:
            ZooError: If the text cannot be read.
        """
        return {"region": text, "id": short_hash(text.encode(errors="replace")), **_described(self.region(model, text))}

    def region(self, model: Model, text: str) -> Region:
        """Read a region in words, which may name masks that were painted here.

        Args:
            model: The model.
            text: The words.

        Returns:
            The region.

        Raises:
            ZooError: If the text cannot be read.
        """
        return parse_region(self.check(text), model.adapter.resolution, model.card.regions)


def _described(region: Region) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(region.mask.astype(np.uint8) * 255).save(buffer, "PNG", optimize=False)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return {**describe_region(region), "mask": f"data:image/png;base64,{encoded}"}


def _read(content: bytes) -> np.ndarray[Any, np.dtype[np.bool_]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask.png"
        path.write_bytes(content)
        try:
            picture = open_picture(path, most_pixels=_MOST_PIXELS)
            mask = read_mask(path, (picture.height, picture.width))
        except PictureError as error:
            raise RegionError(f"the painted region: {error}") from None
        except MisfitError as error:
            raise RegionError(f"the painted region {error}") from None
    return Region("the painted region", mask.copy()).mask
