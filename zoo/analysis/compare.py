"""Comparing two sets of directions: nearest rows, principal angles of the spans, and pictures of both side by side."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from zoo._utils.files import atomic_folder
from zoo._utils.html_repr import facts_html, image_html, plain, table_html
from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes, join
from zoo.core.directions import Directions
from zoo.editing.edit import check_home, choose_codes
from zoo.editing.locality import visible_steps
from zoo.editing.render import check_memory_limit, render_pixels
from zoo.errors import DirectionsError, OptionError
from zoo.imaging.contact_sheet import SheetRow, draw_pages, save_pages
from zoo.imaging.images import OutlinedImage, data_url
from zoo.linalg.subspaces import Nearest, find_nearest, span_basis
from zoo.linalg.symmetric import principal_angles
from zoo.models.model import Model, check_count

FORMAT = "zoo-comparison/1"

COLUMNS_OF_A = ("direction of A", "nearest of B", "distance", "")
COLUMNS_OF_B = ("direction of B", "nearest of A", "distance", "")
"""What the columns of `Nearest.texts` say."""

_SHARES = (-1.0, -0.5, 0.0, 0.5, 1.0)
_MOST_ROWS = 1000


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pixels (rows, codes, 2, 5, h, w, 3) uint8: rows of A, and of B the nearest one, turned to agree.

    The strengths are −1, −½, 0, ½ and 1 times the step at which the mean squared change of the image is 0.02, found for
    each direction and each code; where that needs a step beyond 8, it is 8.
    """

    pixels: Tensor
    codes: Codes
    model: Model


@dataclass(frozen=True, eq=False)
class Comparison:
    """How two sets of directions differ. `a` and `b` are what was compared, `names` what they are called.

    `nearest_of_a` looks from each row of A to B, `nearest_of_b` the other way. `angles` (r,) are the principal angles
    of the two spans in degrees, ascending; `ranks` the dimensions of the spans, of which r is the smaller. `pairs` are
    pictures, where a model was there to make them.
    """

    a: Directions
    b: Directions
    names: tuple[str, str]
    nearest_of_a: Nearest
    nearest_of_b: Nearest
    angles: Tensor
    ranks: tuple[int, int]
    pairs: Pairs | None = None

    def as_json(self) -> dict[str, Any]:
        """Return everything but the pictures as plain values."""
        pairs = self.pairs
        return {
            "format": FORMAT,
            "a": _described(self.a, self.names[0], self.ranks[0]),
            "b": _described(self.b, self.names[1], self.ranks[1]),
            "nearest_of_a": self.nearest_of_a.as_json(),
            "nearest_of_b": self.nearest_of_b.as_json(),
            "principal_angles": self.angles.tolist(),
            "pictures": None if pairs is None else {"model": pairs.model.name, "rows": len(pairs.pixels)},
        }

    def save(self, folder: str | Path, *, force: bool = False, progress: Progress = silent) -> None:
        """Write a new folder: `comparison.json`, and with pictures `comparison.png` and `codes.safetensors`.

        Raises `OutputError`.
        """
        with atomic_folder(Path(folder), force=force) as partial:
            (partial / "comparison.json").write_text(json.dumps(self.as_json(), indent=2), encoding="utf-8")
            if self.pairs is not None:
                save_pages(partial, "comparison", self._pages(self.pairs, progress))
                self.pairs.model.save_codes(partial / "codes.safetensors", self.pairs.codes)

    @property
    def labelled(self) -> bool:
        """Whether some of the directions bear attributes."""
        return self.a.attributes is not None or self.b.attributes is not None

    def tables(self) -> list[tuple[tuple[str, ...], list[list[str]]]]:
        """Return the columns and rows of two tables: the nearest of B for each direction of A, and the other way."""
        a, b = self.a.label, self.b.label
        return [(COLUMNS_OF_A, self.nearest_of_a.texts(a, b)), (COLUMNS_OF_B, self.nearest_of_b.texts(b, a))]

    def facts(self) -> dict[str, str]:
        """Say in short what was compared, and the principal angles."""
        angles = ", ".join(f"{angle:.1f}°" for angle in self.angles.tolist())
        sets = zip(self.names, (self.a, self.b), self.ranks, strict=True)
        told = [
            f"{name}: {len(one)} of {one.space}, rank {rank}"
            + (f", {one.origin}" if one.origin not in {"", name} else "")
            for name, one, rank in sets
        ]
        return {"A": told[0], "B": told[1], f"principal angles ({len(self.angles)})": angles}

    def __repr__(self) -> str:
        distances = ", ".join(f"{distance:.3g}" for distance in self.nearest_of_a.distances[:5].tolist())
        more = ", …" if len(self.a) > 5 else ""
        return f"Comparison({' with '.join(map(plain, self.names))}: distances {distances}{more})"

    def _repr_html_(self) -> str:
        """Show a notebook the nearest rows of both sets, the angles, and the pictures if there are any."""
        shown = facts_html("Comparison", self.facts())
        for columns, rows in self.tables():
            shown += table_html(columns, rows)
        if self.pairs is None:
            return shown
        return shown + image_html(data_url(next(self._pages(self.pairs))), "side by side")

    def _pages(self, pairs: Pairs, progress: Progress = silent) -> Iterator[Image.Image]:
        headers = [f"{letter}: {plain(name)[:60]}" for letter, name in zip("AB", self.names, strict=True)]
        count = len(pairs.pixels) * len(pairs.codes)
        return draw_pages(self._strips(pairs), count, headers, group=len(_SHARES), progress=progress)

    def _strips(self, pairs: Pairs) -> Iterator[SheetRow]:
        rows, between = self.nearest_of_a.texts(self.a.label, self.b.label), "\n" if self.labelled else ", "
        for index, (own, nearest, distance, turned) in enumerate(rows[: len(pairs.pixels)]):
            for code in range(len(pairs.codes)):
                lines = [
                    f"A {own}{between}B {nearest}",
                    f"distance {distance}",
                    *(["B turned round"] if turned else []),
                ]
                name = "\n".join([*lines, pairs.model.code_name(pairs.codes, code)])
                yield SheetRow(name, [OutlinedImage(pixels) for pixels in pairs.pixels[index, code].flatten(0, 1)])


class MismatchWarning(UserWarning):
    """Two sets of directions that are compared were found in different weights, or move different rows."""


def compare(
    a: Directions | str | Path,
    b: Directions | str | Path,
    *,
    model: Model | None = None,
    codes: Codes | str | Path | None = None,
    samples: int = 1,
    seed: int = 0,
    label: int | str | None = None,
    truncation: float | None = None,
    top: int = 10,
    progress: Progress = silent,
) -> Comparison:
    """Compare two sets of directions: the nearest row of the other set for each row, and the angles of the spans.

    With a `model`, the first `top` rows of A are shown beside their nearest ones of B, moved equally visibly at the
    same codes: those given, or `samples` drawn with `seed`. Raises `DirectionsError` for sets of different spaces.
    """
    check_count("--top", top)
    space = None if model is None else model.adapter.space
    first, second = (one if isinstance(one, Directions) else Directions.load(one, space=space) for one in (a, b))
    _check_homes(first, second)
    bases = [span_basis(one.vectors) for one in (first, second)]
    made = Comparison(
        first,
        second,
        (_name(a, "A"), _name(b, "B")),
        find_nearest(first.vectors, second.vectors),
        find_nearest(second.vectors, first.vectors),
        principal_angles(*bases).rad2deg(),
        (len(bases[0]), len(bases[1])),
    )
    if model is None:
        return made
    for one in (first, second):
        check_home(model, one)
    chosen = choose_codes(model, codes, samples=samples, seed=seed, label=label, truncation=truncation)
    rows = min(top, len(first))
    if rows * len(chosen) > _MOST_ROWS:
        raise OptionError(
            f"{rows * len(chosen):,} rows of pictures are too many, at most {_MOST_ROWS:,}: take fewer codes"
        )
    count = rows * len(chosen) * 2 * len(_SHARES)
    check_memory_limit(model, count, 3 * math.prod(model.adapter.resolution), "codes or a smaller --top")
    return replace(made, pairs=Pairs(_pictures(made, model, chosen, rows, progress), chosen, model))


def _name(given: Directions | str | Path, otherwise: str) -> str:
    if isinstance(given, Directions):
        return given.origin or otherwise
    return Path(given).name or str(given)


def _check_homes(a: Directions, b: Directions) -> None:
    """Refuse sets that cannot be compared, and warn where equal directions would not be equal edits."""
    if not len(a) or not len(b):
        raise DirectionsError("a set without a direction cannot be compared")
    known = "unknown" not in {a.space.name, b.space.name}
    if a.space.dim != b.space.dim or (known and a.space != b.space):
        raise DirectionsError(f"directions of {a.space} cannot be compared with directions of {b.space}")
    homes = [one.provenance.get("weights_sha256") for one in (a, b)]
    if None not in homes and homes[0] != homes[1]:
        models = " and ".join(plain(one.provenance.get("model", "another model")) for one in (a, b))
        warnings.warn(f"the two sets were found in different weights: {models}", MismatchWarning, stacklevel=3)
    if known and a.layers != b.layers:
        rows = " and ".join("all rows" if one.layers is None else f"rows {list(one.layers)}" for one in (a, b))
        warnings.warn(f"the two sets move different rows of a code: {rows}", MismatchWarning, stacklevel=3)


def _pictures(made: Comparison, model: Model, codes: Codes, rows: int, progress: Progress) -> Tensor:
    """Render the rows of A and the nearest ones of B: (rows, codes, 2, 5, h, w, 3) uint8."""
    nearest = made.nearest_of_a
    turned = made.b.vectors[nearest.indices] * nearest.signs[:, None]
    sides = [(made.a.vectors[:rows], made.a.layers), (turned[:rows], made.b.layers)]
    region, moved = model.region("all"), []
    for index in range(len(codes)):
        for side, (vectors, layers) in enumerate(sides):
            progress(2 * index + side, 2 * len(codes), "choosing strengths")
            code = codes[index]
            steps = visible_steps(model.adapter, code, vectors, region, layers)
            deltas = (steps[:, None] * vectors).to(model.adapter.device, model.adapter.dtype)
            moved += [model.adapter.move(code, share * delta, layers) for delta in deltas for share in _SHARES]
    progress(2 * len(codes), 2 * len(codes), "choosing strengths")
    pixels = render_pixels(model, join(moved), progress)
    return pixels.view(len(codes), 2, rows, len(_SHARES), *pixels.shape[1:]).permute(2, 0, 1, 3, 4, 5, 6)


def _described(directions: Directions, name: str, rank: int) -> dict[str, Any]:
    told = ("model", "weights_sha256", "analyzer", "region", "source")
    return {
        "name": name,
        "count": len(directions),
        "rank": rank,
        "space": directions.space.as_json(),
        "layers": None if directions.layers is None else list(directions.layers),
        "attributes": None if directions.attributes is None else list(directions.attributes),
        **{key: value for key, value in directions.provenance.items() if key in told and isinstance(value, str)},
    }
