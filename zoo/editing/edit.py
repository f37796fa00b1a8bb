"""Moving codes along directions and rendering what comes out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from zoo._utils.files import atomic_folder
from zoo._utils.html_repr import facts_html, image_html, plain
from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes, join
from zoo.core.directions import Directions
from zoo.core.layers import resolve_layers
from zoo.core.moves import Move
from zoo.editing.render import check_memory_limit, render, render_pixels
from zoo.errors import DirectionsError, LayersError, OptionError
from zoo.imaging.animation import check_animation, save_animation, to_frame
from zoo.imaging.contact_sheet import SheetRow, draw_pages, save_pages
from zoo.imaging.images import OutlinedImage, data_url, to_pixels
from zoo.models.model import Model

MOST_PICTURES = 6_000
"""How many pictures an edit may have; 99 pages of a contact sheet hold them, whatever their size."""


MOST_STRENGTHS = 32
"""How many pictures stand side by side."""

MOST_ANIMATED = 16
"""How many pictures an animation shows: of eight moves at most, and of eight codes at most."""


@dataclass(frozen=True, eq=False)
class Edit:
    """Edited images (rows, codes, strengths, 3, h, w), never clamped, and what they were made from.

    Rows are `moves`, each at every strength. With `down`, a second move, rows are its strengths, those of the only one
    of `moves` run across, and every image was moved along both.
    """

    images: Tensor
    codes: Codes
    moves: tuple[Move, ...]
    strengths: tuple[float, ...]
    model: Model
    down: Move | None = None

    def save(
        self,
        folder: str | Path,
        *,
        force: bool = False,
        video: str = "auto",
        frames: int = 50,
        progress: Progress = silent,
    ) -> None:
        """Write a new folder: `sheet.png` (and further pages), `edit.gif`, `edit.mp4` and `codes.safetensors`.

        The animation scrubs strength forth and back through its range, smoothly, in `frames` frames, 25 a second; with
        `down`, it circles through both ranges. It shows sixteen pictures at most: the first codes, of the first moves.
        `video` is ``auto`` (a GIF, and an MP4 where imageio-ffmpeg is installed), ``none``, ``gif``, ``mp4`` or
        ``both``. Raises `OptionError`, `OutputError`.
        """
        kinds = check_animation(video, frames)
        with atomic_folder(Path(folder), force=force) as partial:
            save_pages(partial, "sheet", self._pages(progress))
            self.model.save_codes(partial / "codes.safetensors", self.codes)
            if kinds:
                save_animation(partial, self._loop(frames, progress), kinds, progress)

    def __repr__(self) -> str:
        return (
            f"Edit({self._title()}: {len(self.codes)} codes, strengths {', '.join(map('{:g}'.format, self.strengths))})"
        )

    def _repr_html_(self) -> str:
        """Show a notebook the sheet's first page."""
        return facts_html("Edit", {"of": self._title()}) + image_html(data_url(next(self._pages())), self._title())

    def _title(self) -> str:
        across = ", ".join(map(str, self.moves))
        return f"{self.model.name} along {across}{f' and {self.down}' if self.down else ''}"

    def _pages(self, progress: Progress = silent) -> Iterator[Image.Image]:
        headers = [_signed(strength) for strength in self.strengths]
        if self.down is None:
            places = [(row, code, str(move)) for row, move in enumerate(self.moves) for code in range(len(self.codes))]
        else:
            places = [
                (row, code, f"{self.down}: {_signed(strength)}\nacross {self.moves[0]}")
                for code in range(len(self.codes))
                for row, strength in enumerate(self.strengths)
            ]
        strips = (
            SheetRow(
                f"{name}\n{self.model.code_name(self.codes, code)}",
                [OutlinedImage(pixels) for pixels in to_pixels(self.images[row, code])],
            )
            for row, code, name in places
        )
        block = 1 if self.down is None else len(self.strengths)
        return draw_pages(strips, len(places), headers, block=block, progress=progress)

    def _loop(self, count: int, progress: Progress) -> list[Image.Image]:
        """Render the frames of a loop; on the way back, those of the way forth are shown again."""
        moves = self.moves[:8]
        codes = self.codes[: min(8, MOST_ANIMATED // len(moves))]
        rendered = count if self.down else count // 2 + 1
        frames = []
        for done in range(rendered):
            progress(done, rendered, "rendering frames")
            moved = [_moved(self.model, codes, self._steps_at(done / count, move)) for move in moves]
            pixels = render_pixels(self.model, join(moved))
            frames.append(to_frame(pixels.view(len(moved), len(codes), *pixels.shape[1:])))
        progress(rendered, rendered, "rendering frames")
        return frames if self.down else [frames[min(place, count - place)] for place in range(count)]

    def _steps_at(self, turn: float, move: Move) -> list[tuple[Move, float]]:
        """Say how far along a move to go at a time of the loop, 0 to 1, and how far down; a cosine turns slowly."""
        ends = self.strengths if len(set(self.strengths)) > 1 else (0.0, *self.strengths)
        middle, reach = (max(ends) + min(ends)) / 2, (max(ends) - min(ends)) / 2
        across = (move, middle - reach * math.cos(2 * math.pi * turn))
        return [across] if self.down is None else [across, (self.down, middle - reach * math.sin(2 * math.pi * turn))]


def edit(
    model: Model,
    directions: Directions | Move | Sequence[Move],
    *,
    down: Move | None = None,
    codes: Codes | str | Path | None = None,
    samples: int = 4,
    seed: int = 0,
    label: int | str | None = None,
    truncation: float | None = None,
    indices: Sequence[int] | None = None,
    strengths: Sequence[float] = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0),
    layers: str | Sequence[int] | None = None,
    progress: Progress = silent,
) -> Edit:
    """Render codes moved along directions, at several strengths (in units of the unit direction).

    `directions` are those of one analysis, of which `indices` (by default 0) are shown, each on its own; or moves, each
    shown on its own too: a move ``mouth.move(0) + eyes.move(2, -1.5)`` goes along several directions in proportion.
    With `down` there is one move across and that one down, and every pair of strengths. Without `codes`, `samples` are
    drawn with `seed`. `layers` defaults to the rows that each direction was found for. Raises `DirectionsError` for
    directions of another space or an index that is not there, and `OptionError`.
    """
    asked = rows_to_move(model, layers)
    steps = _strengths(strengths)
    moves = _moves(directions, indices)
    if down is not None and len(moves) != 1:
        raise OptionError(f"a grid has one move across and one down, but {len(moves)} were to run across")
    every = moves if down is None else [*moves, down]
    for home in {id(term.directions): term.directions for move in every for term in move.terms}.values():
        check_home(model, home)
    if asked is not None:
        moves, down = [move.in_layers(asked) for move in moves], down and down.in_layers(asked)
    if down is None:
        plan = [[(move, step)] for move in moves for step in steps]
    else:
        plan = [[(moves[0], step), (down, lower)] for lower in steps for step in steps]
    chosen = choose_codes(model, codes, samples=samples, seed=seed, label=label, truncation=truncation)
    count, fewer = len(plan) * len(chosen), "codes, directions or strengths"
    if count > MOST_PICTURES:
        raise OptionError(f"an edit has at most {MOST_PICTURES:,} pictures, and this one {count:,}: take fewer {fewer}")
    check_memory_limit(model, count, 3 * math.prod(model.adapter.resolution) * model.adapter.dtype.itemsize, fewer)
    images = render(model, join([_moved(model, chosen, part) for part in plan]), progress)
    images = images.view(-1, len(steps), len(chosen), *images.shape[1:]).transpose(1, 2)
    return Edit(images, chosen, tuple(moves), steps, model, down)


def rows_to_move(model: Model, layers: str | Sequence[int] | None) -> tuple[int, ...] | None:
    """Read the rows that moves shall act on instead of their own; None for those. Raises `LayersError`."""
    space = model.adapter.space
    if layers is not None and space.layers == 1:
        raise LayersError(f"--layers: {model.name} has a single row of {space}; leave it out")
    return resolve_layers(layers, space.layers)


class OtherModelWarning(UserWarning):
    """Directions found in one model are used in another one whose space looks the same."""


def _moves(directions: Directions | Move | Sequence[Move], indices: Sequence[int] | None) -> list[Move]:
    if isinstance(directions, Directions):
        moves = [directions.move(index) for index in ((0,) if indices is None else indices)]
        if not moves:
            raise DirectionsError(f"no direction was asked for: there are 0 to {len(directions) - 1}")
        return moves
    if indices is not None:
        raise OptionError("indices choose among directions; a move has chosen already")
    moves = [directions] if isinstance(directions, Move) else list(directions)
    if not moves:
        raise OptionError("at least one move is needed")
    return moves


def check_home(model: Model, directions: Directions) -> None:
    """Raise `DirectionsError` for directions of another space; warn of those that were found in other weights."""
    home, space = directions.space, model.adapter.space
    if home != space and (home.name != "unknown" or home.dim != space.dim):
        raise DirectionsError(f"directions of {home} cannot move codes of {space}")
    if directions.provenance.get("weights_sha256") not in {None, model.weights_sha256}:
        other = plain(directions.provenance.get("model", "another model"))
        warnings.warn(
            f"these directions were found in {other}, from other weights than those of {model.name}",
            OtherModelWarning,
            stacklevel=3,
        )


def _strengths(strengths: Sequence[float]) -> tuple[float, ...]:
    if not strengths or not all(abs(strength) < float("inf") for strength in strengths):
        raise OptionError("--strengths: at least one finite number is needed")
    if len(strengths) > MOST_STRENGTHS:
        raise OptionError(f"--strengths: {len(strengths)} are too many to show side by side, at most {MOST_STRENGTHS}")
    return tuple(strengths)


def _signed(strength: float) -> str:
    return f"{strength:+g}" if strength else "0"


def choose_codes(model: Model, codes: Codes | str | Path | None, *, samples: int, **drawing: Any) -> Codes:
    """Take the codes that were given, or else draw `samples`; `drawing` goes to `Model.sample`. Raises `CodesError`."""
    return model.sample(samples, **drawing) if codes is None else model.take_codes(codes)


def _moved(model: Model, codes: Codes, steps: Sequence[tuple[Move, float]]) -> Codes:
    """Move codes along moves, each at its strength, one direction after the other."""
    for move, strength in steps:
        for term in move.terms:
            delta = strength * term.weight * term.directions.vectors[term.index]
            codes = model.adapter.move(codes, delta.to(model.adapter.device, model.adapter.dtype), term.layers)
    return codes
