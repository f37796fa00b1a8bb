"""Moving codes along directions, and the pictures and animations of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from zoo._utils.html_repr import facts_html, image_html
from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes, join
from zoo.core.directions import Directions
from zoo.core.files.codes import GivenCodes
from zoo.core.files.directions import GivenDirections
from zoo.core.moves import Move
from zoo.editing.fit import check_home, rows_to_move
from zoo.editing.move_list import list_moves
from zoo.editing.render import check_memory_limit, render, render_pixels
from zoo.editing.requests import CodesRequest, as_path
from zoo.editing.run_folder import new_run_folder
from zoo.errors import OptionError
from zoo.imaging.animation import check_animation, save_animation, to_frame
from zoo.imaging.contact_sheet import SheetRow, draw_pages, save_pages
from zoo.imaging.images import OutlinedImage, data_url, to_pixels
from zoo.models.model import Model

# How many pictures an edit may have; 99 pages of a contact sheet hold them, whatever their size.
MOST_PICTURES = 6_000

# How many codes are drawn unless a number is given.
USUAL_CODES = 4

# How many pictures stand side by side.
MOST_STRENGTHS = 32

# How many pictures an animation shows: of at most 8 moves, and of at most 8 codes.
MOST_ANIMATED = 16
_MOST_ANIMATED_MOVES = 8
_MOST_ANIMATED_CODES = 8


@dataclass(frozen=True, eq=False)
class Edit:
    """Edited images, and what they were made from.

    Without `down`, each of `moves` is a row of images, one for each strength. With `down`, the strengths of `down` are
    the rows, those of the only one of `moves` the columns, and every image was moved along both.

    Attributes:
        images: Images (rows, codes, strengths, channels, h, w), never clamped.
        codes: The codes, unmoved.
        moves: What the codes were moved along.
        strengths: The steps along each move.
        model: The model that rendered them.
        down: The second move of a grid, or None.
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

        The animation moves the strength smoothly through its range and back, at 25 frames a second; with `down`, it
        circles through both ranges. It shows at most 16 pictures: the first codes, moved along the first moves.

        Args:
            folder: The folder to write.
            force: Replace an existing run folder.
            video: ``auto`` (a GIF, and an MP4 where imageio-ffmpeg is installed), ``none``, ``gif``, ``mp4`` or
                ``both``.
            frames: The number of frames, there and back.
            progress: Called while pictures are drawn and written.

        Raises:
            OptionError: If `video` or `frames` is not one of the choices.
            OutputError: If the folder exists and may not be replaced, or cannot be written.
        """
        kinds = check_animation(video, frames)
        with new_run_folder(folder, force=force) as partial:
            save_pages(partial, "sheet", self._pages(progress))
            self.model.save_codes(partial / "codes.safetensors", self.codes)
            if kinds:
                save_animation(partial, self._animation(frames, progress), kinds, progress)

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
        rows = self._row_names()
        block = 1 if self.down is None else len(self.strengths)
        sheet_rows = (self._sheet_row(*row) for row in rows)
        return draw_pages(sheet_rows, len(rows), headers, block=block, progress=progress)

    def _row_names(self) -> list[tuple[int, int, str]]:
        """List (row, code, name) in the order of the sheet: a grid keeps the rows of a code together."""
        if self.down is None:
            return [(row, code, str(move)) for row, move in enumerate(self.moves) for code in range(len(self.codes))]
        return [
            (row, code, f"{self.down}: {_signed(strength)}\nacross {self.moves[0]}")
            for code in range(len(self.codes))
            for row, strength in enumerate(self.strengths)
        ]

    def _sheet_row(self, row: int, code: int, name: str) -> SheetRow:
        pictures = [OutlinedImage(pixels) for pixels in to_pixels(self.images[row, code])]
        return SheetRow(f"{name}\n{self.model.code_name(self.codes, code)}", pictures)

    def _animation(self, count: int, progress: Progress) -> list[Image.Image]:
        """Render the frames of a loop; without `down`, the way back shows the frames of the way there again."""
        moves = self.moves[:_MOST_ANIMATED_MOVES]
        codes = self.codes[: min(_MOST_ANIMATED_CODES, MOST_ANIMATED // len(moves))]
        rendered = count if self.down else count // 2 + 1
        frames = []
        for index in range(rendered):
            progress(index, rendered, "rendering frames")
            moved = [_moved(self.model, codes, self._steps_at(index / count, move)) for move in moves]
            pixels = render_pixels(self.model, join(moved))
            frames.append(to_frame(pixels.view(len(moved), len(codes), *pixels.shape[1:])))
        progress(rendered, rendered, "rendering frames")
        return frames if self.down else [frames[min(index, count - index)] for index in range(count)]

    def _steps_at(self, phase: float, move: Move) -> list[tuple[Move, float]]:
        """Return the step along each move at a phase of the loop, 0 to 1: a cosine across, a sine down."""
        ends = self.strengths if len(set(self.strengths)) > 1 else (0.0, *self.strengths)
        middle, amplitude = (max(ends) + min(ends)) / 2, (max(ends) - min(ends)) / 2
        angle = 2 * math.pi * phase
        across = (move, middle - amplitude * math.cos(angle))
        return [across] if self.down is None else [across, (self.down, middle - amplitude * math.sin(angle))]


def edit(
    model: Model,
    directions: GivenDirections | Move | Sequence[Move],
    *,
    down: Move | None = None,
    codes: GivenCodes | None = None,
    samples: int | None = None,
    seed: int | None = None,
    seeds: str | Sequence[int] | None = None,
    label: int | str | None = None,
    truncation: float | None = None,
    indices: Sequence[int] | None = None,
    strengths: Sequence[float] = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0),
    layers: str | Sequence[int] | None = None,
    read_as: str | None = None,
    progress: Progress = silent,
) -> Edit:
    """Render codes moved along directions, at several strengths.

    Args:
        model: The model.
        directions: Directions of one analysis, a file of them, a run folder, or an array (k, dim), or (k, layers, dim)
            with a vector for each row of a code; or moves. A move ``mouth.move(0) + eyes.move(2, -1.5)`` goes along
            several directions in proportion.
        down: A second move, for a grid: `directions` is then a single move across, and every pair of strengths is
            rendered.
        codes: The codes, a file or an array of them; None draws them.
        samples: How many codes to draw; None is 4.
        seed: The seed that they are drawn with; None is 0.
        seeds: Draw one code with each of these seeds instead, such as ``1,2,3`` or ``1-8``.
        label: The class of a conditional model, by name or index.
        truncation: The truncation of drawn codes, 0 (the mean) to 2.
        indices: Which of the directions are shown, each on its own; None is the first.
        strengths: Steps in units of the unit direction.
        layers: The rows of the code that are moved; None is those that each direction was found for.
        read_as: How to read a file or an array of directions whose shape leaves it open; see `Directions.load`.
        progress: Called after each batch of images.

    Returns:
        The images, and what they were made from.

    Raises:
        DirectionsError: If directions are of another space, or an index is not there.
        LayersError: If `layers` are not rows of the code.
        CodesError: If the codes cannot be read, or do not fit the model.
        OptionError: If another argument is out of range, or there would be too many pictures.
    """
    rows = rows_to_move(model, layers)
    steps = _checked_strengths(strengths)
    moves = list_moves(directions, indices, model.adapter.space, read_as)
    if down is not None and len(moves) != 1:
        raise OptionError(f"a grid has one move across and one down, but {len(moves)} were to run across")
    for home in _homes(moves if down is None else [*moves, down]):
        check_home(model, home)
    if rows is not None:
        moves = [move.in_layers(rows) for move in moves]
        down = None if down is None else down.in_layers(rows)
    plan = _plan(moves, down, steps)
    request = CodesRequest(
        codes=as_path(codes),
        samples=samples,
        seed=seed,
        seeds=seeds,
        label=label,
        truncation=truncation,
        usual=USUAL_CODES,
    )
    taken = request.take(model)
    _check_size(model, len(plan) * len(taken))
    images = render(model, join([_moved(model, taken, part) for part in plan]), progress)
    images = images.view(-1, len(steps), len(taken), *images.shape[1:]).transpose(1, 2)
    return Edit(images, taken, tuple(moves), steps, model, down)


def _homes(moves: Sequence[Move]) -> list[Directions]:
    """List the directions that moves are made of, each set once."""
    return list({id(term.directions): term.directions for move in moves for term in move.terms}.values())


def _plan(moves: Sequence[Move], down: Move | None, steps: Sequence[float]) -> list[list[tuple[Move, float]]]:
    """List the moves of each picture of one code, each with its step: row by row, and strengths within a row."""
    if down is None:
        return [[(move, step)] for move in moves for step in steps]
    return [[(moves[0], step), (down, lower)] for lower in steps for step in steps]


def _check_size(model: Model, count: int) -> None:
    fewer = "codes, directions or strengths"
    if count > MOST_PICTURES:
        raise OptionError(f"an edit has at most {MOST_PICTURES:,} pictures, and this one {count:,}: take fewer {fewer}")
    adapter = model.adapter
    numbers_each = adapter.channels * math.prod(adapter.resolution)
    check_memory_limit(model, count, numbers_each * adapter.dtype.itemsize, fewer)


def _checked_strengths(strengths: Sequence[float]) -> tuple[float, ...]:
    if not strengths or not all(abs(strength) < float("inf") for strength in strengths):
        raise OptionError("--strengths: at least one finite number is needed")
    if len(strengths) > MOST_STRENGTHS:
        raise OptionError(f"--strengths: {len(strengths)} are too many to show side by side, at most {MOST_STRENGTHS}")
    return tuple(strengths)


def _signed(strength: float) -> str:
    return f"{strength:+g}" if strength else "0"


def _moved(model: Model, codes: Codes, steps: Sequence[tuple[Move, float]]) -> Codes:
    """Move codes along each move by its step, one direction after the other."""
    for move, strength in steps:
        for term in move.terms:
            delta = strength * term.weight * term.directions.vectors[term.index]
            codes = model.adapter.move(codes, delta.to(model.adapter.device, model.adapter.dtype), term.layers)
    return codes
