"""The result of a comparison, as tables, as plain values, and as pictures side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from zoo._utils.html_repr import facts_html, image_html, plain, table_html
from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.editing.run_folder import new_run_folder
from zoo.imaging.contact_sheet import draw_pages, save_pages
from zoo.imaging.images import OutlinedImage, data_url
from zoo.linalg.subspaces import Nearest
from zoo.models.model import Model

FORMAT = "zoo-comparison/1"

# The titles of the columns of `Nearest.texts`.
COLUMNS_OF_A = ("direction of A", "nearest of B", "distance", "")
COLUMNS_OF_B = ("direction of B", "nearest of A", "distance", "")

# Where the pictures of a direction stand, as shares of its step.
SHARES = (-1.0, -0.5, 0.0, 0.5, 1.0)

# The entries of a set's record that a comparison repeats.
_REPEATED = {"model", "weights_sha256", "tuned_sha256", "analyzer", "region", "source"}


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pictures of rows of A beside the nearest rows of B, with the signs that make their cosines positive.

    Each direction is moved, at each code, by `SHARES` of the step at which the mean squared change of the image is
    0.02, or of step 8 where that does not reach it.

    Attributes:
        pixels: The pictures (rows, codes, 2, 5, h, w, channels), uint8.
        codes: The codes.
        model: The model.
    """

    pixels: Tensor
    codes: Codes
    model: Model


@dataclass(frozen=True, eq=False)
class Comparison:
    """How two sets of directions differ.

    Attributes:
        a: The first set.
        b: The second set.
        names: What the sets are called.
        nearest_of_a: For each row of A, the nearest row of B.
        nearest_of_b: For each row of B, the nearest row of A.
        angles: The principal angles of the two spans (r,) in degrees, ascending.
        ranks: The dimensions of the two spans, of which r is the smaller.
        pairs: Pictures; None without a model.
        command: The command line that repeats the comparison; None where it is not from one.
    """

    a: Directions
    b: Directions
    names: tuple[str, str]
    nearest_of_a: Nearest
    nearest_of_b: Nearest
    angles: Tensor
    ranks: tuple[int, int]
    pairs: Pairs | None = None
    command: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return everything but the pictures as plain values.

        Returns:
            The content of `comparison.json`.
        """
        pairs = self.pairs
        return {
            "format": FORMAT,
            "a": _described(self.a, self.names[0], self.ranks[0]),
            "b": _described(self.b, self.names[1], self.ranks[1]),
            "nearest_of_a": self.nearest_of_a.as_json(),
            "nearest_of_b": self.nearest_of_b.as_json(),
            "principal_angles": self.angles.tolist(),
            "command": self.command,
            "pictures": None if pairs is None else {"model": pairs.model.name, "rows": len(pairs.pixels)},
        }

    def save(self, folder: str | Path, *, force: bool = False, progress: Progress = silent) -> None:
        """Write a new folder: `comparison.json`, and with pictures `comparison.png` and `codes.safetensors`.

        Args:
            folder: The folder to write.
            force: Replace an existing run folder.
            progress: Called while the sheets are drawn.

        Raises:
            OutputError: If the folder exists and may not be replaced, or cannot be written.
        """
        with new_run_folder(folder, force=force) as partial:
            (partial / "comparison.json").write_text(json.dumps(self.as_json(), indent=2), encoding="utf-8")
            if self.pairs is not None:
                save_pages(partial, "comparison", self._pages(self.pairs, progress))
                self.pairs.model.save_codes(partial / "codes.safetensors", self.pairs.codes)

    @property
    def labelled(self) -> bool:
        """Whether some of the directions have attributes."""
        return self.a.attributes is not None or self.b.attributes is not None

    def tables(self) -> list[tuple[tuple[str, ...], list[list[str]]]]:
        """Lay out the nearest direction of B for each direction of A, and the other way round.

        Returns:
            The columns and the rows of both tables.
        """
        a, b = self.a.label, self.b.label
        return [(COLUMNS_OF_A, self.nearest_of_a.texts(a, b)), (COLUMNS_OF_B, self.nearest_of_b.texts(b, a))]

    def facts(self) -> dict[str, str]:
        """Summarise what was compared, and the principal angles.

        Returns:
            A text for each fact, by its name.
        """
        angles = ", ".join(f"{angle:.1f}°" for angle in self.angles.tolist())
        first, second = (
            f"{name}: {len(one)} of {one.space}, rank {rank}"
            + (f", {one.origin}" if one.origin not in {"", name} else "")
            for name, one, rank in zip(self.names, (self.a, self.b), self.ranks, strict=True)
        )
        return {"A": first, "B": second, f"principal angles ({len(self.angles)})": angles}

    def __repr__(self) -> str:
        distances = ", ".join(f"{distance:.3g}" for distance in self.nearest_of_a.distances[:5].tolist())
        more = ", …" if len(self.a) > 5 else ""
        return f"Comparison({' with '.join(map(plain, self.names))}: distances {distances}{more})"

    def _repr_html_(self) -> str:
        """Show a notebook the nearest rows of both sets, the angles, and the pictures if there are any."""
        html = facts_html("Comparison", self.facts())
        for columns, rows in self.tables():
            html += table_html(columns, rows)
        if self.pairs is None:
            return html
        return html + image_html(data_url(next(self._pages(self.pairs))), "side by side")

    def _pages(self, pairs: Pairs, progress: Progress = silent) -> Iterator[Image.Image]:
        headers = [f"{letter}: {plain(name)}" for letter, name in zip("AB", self.names, strict=True)]
        rows = (
            [OutlinedImage(pixels) for pixels in pairs.pixels[index, code].flatten(0, 1)]
            for index in range(len(pairs.pixels))
            for code in range(len(pairs.codes))
        )
        return draw_pages(self._row_names(pairs), rows, headers, group=len(SHARES), progress=progress)

    def _row_names(self, pairs: Pairs) -> list[str]:
        names = []
        separator = "\n" if self.labelled else ", "
        rows = self.nearest_of_a.texts(self.a.label, self.b.label)[: len(pairs.pixels)]
        for own, nearest, distance, turned in rows:
            lines = [f"A {own}{separator}B {nearest}", f"distance {distance}", *(["B turned round"] if turned else [])]
            names += ["\n".join([*lines, pairs.model.code_name(pairs.codes, code)]) for code in range(len(pairs.codes))]
        return names


def _described(directions: Directions, name: str, rank: int) -> dict[str, Any]:
    return {
        "name": name,
        "count": len(directions),
        "rank": rank,
        "space": directions.space.as_json(),
        "layers": None if directions.layers is None else list(directions.layers),
        "attributes": None if directions.attributes is None else list(directions.attributes),
        **{key: value for key, value in directions.provenance.items() if key in _REPEATED and isinstance(value, str)},
    }
